"""CLIP's text tower: a causal transformer, read at the end of the text (Radford et al. 2021, section 2.4)."""

import torch
from torch import Tensor, nn

from genbench.conditions.base import Tokens
from genbench.networks.clip_transformer import Biases, Block, Gelu, make_blocks


class TextTransformer(nn.Module):
    """Map token sequences (B, L) to embeddings (B, embedding_dim).

    Attention is causal, so the embedding depends on no token after the end of the text: neither on the padding's
    length nor on what is in it.

    Args:
        form: of the token sequences.
        embedding_dim: numbers of an embedding; None for a tower that is read for its states alone.
        width: of the tokens.
        layers: blocks.
        heads: of each attention.
        gelu: whose activation, see `clip_transformer.GELU`.
        biases: whose attention, see `clip_transformer.Attention`.
        vocabulary: how many tokens have an embedding; None for those of the form, fewer than GLIDE's has.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        form: Tokens,
        *,
        embedding_dim: int | None,
        width: int,
        layers: int,
        heads: int,
        gelu: Gelu = "openai",
        biases: Biases = "openai",
        vocabulary: int | None = None,
    ) -> None:
        super().__init__()
        if vocabulary is not None and vocabulary < form.vocabulary:
            raise ValueError(f"vocabulary={vocabulary} must be at least that of the captions, {form.vocabulary}")
        self.form, self.embedding_dim, self.width = form, embedding_dim, width
        self.tokens = nn.Embedding(vocabulary or form.vocabulary, width)
        self.positions = nn.Parameter(torch.empty(form.length, width))
        self.blocks = make_blocks(width, layers, heads, causal=True, gelu=gelu, biases=biases)
        self.norm_after = nn.LayerNorm(width)
        self.project = None if embedding_dim is None else nn.Linear(width, embedding_dim, bias=False)
        self._initialise(width, layers)

    def _initialise(self, width: int, layers: int) -> None:
        """Draw the weights as OpenAI's `initialize_parameters` does; each block adds less to a deeper tower."""
        nn.init.normal_(self.tokens.weight, std=0.02)
        nn.init.normal_(self.positions, std=0.01)
        if self.project is not None:
            nn.init.normal_(self.project.weight, std=width**-0.5)
        added = (2 * layers * width) ** -0.5
        for block in self.blocks:
            assert isinstance(block, Block)
            nn.init.normal_(block.attention.qkv.weight, std=width**-0.5)
            nn.init.normal_(block.attention.out.weight, std=added)
            nn.init.normal_(block.widen.weight, std=(2 * width) ** -0.5)
            nn.init.normal_(block.narrow.weight, std=added)

    def forward(self, rows: Tensor) -> Tensor:
        """Return the embeddings of token sequences (B, L), where L may be less than the form's length."""
        last = self.form.last(rows)
        # What comes after the longest text changes nothing: most of 77 tokens are padding.
        rows = rows[:, : int(last.max()) + 1] if len(rows) else rows
        return self.at_end(self.states(rows), last)

    def states(self, rows: Tensor) -> Tensor:
        """Return the output for each token of sequences (B, L), (B, L, width)."""
        out: Tensor = self.norm_after(self.blocks(self.tokens(rows) + self.positions[: rows.shape[1]]))
        return out

    def at_end(self, states: Tensor, last: Tensor) -> Tensor:
        """Return the embeddings (B, embedding_dim) of texts by their states (B, L, width) and last tokens, (B,)."""
        assert self.project is not None
        out: Tensor = self.project(states[torch.arange(len(states), device=states.device), last])
        return out
