"""The diffusion prior of unCLIP: a causal transformer over a text, a time and a noisy image embedding.

Ramesh et al. 2022 (https://arxiv.org/abs/2204.06125, section 2.2). Its sequence is, in this order: the states of the
text's tokens, the text's embedding, an embedding of the time, the noisy image embedding, and a learnt token, whose
output is the prediction.

Example:
    >>> prior = PriorTransformer((768,), Captions(tokenizer="clip_bpe"), states=768)  # Karlo's: 1.02 B parameters
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from genbench.conditions.base import Condition, Tokens
from genbench.networks.clip_transformer import make_blocks
from genbench.networks.time_embedding import Sinusoids

_AFTER = 4
"""Tokens that follow those of the text."""


class PriorTransformer(nn.Module):
    """Predict image embeddings from noisy ones, of texts.

    Args:
        shape: (D,) of an embedding.
        condition: captions, whose tokens have states.
        states: numbers of a state.
        width: of the tokens.
        layers: blocks.
        heads: of each attention.

    Raises:
        ValueError: a number is out of range, or the condition is no captions.
    """

    statistics: Tensor
    """Mean and standard deviation of the embeddings' numbers, (2, D)."""

    def __init__(
        self,
        shape: Sequence[int],
        condition: Condition,
        *,
        states: int,
        width: int = 2048,
        layers: int = 20,
        heads: int = 32,
    ) -> None:
        super().__init__()
        if len(shape) != 1 or not isinstance(condition.form, Tokens):
            raise ValueError("a prior is of embeddings (D,) and captions")
        if width < 2 or width % 2:
            raise ValueError(f"width={width} must be even, for sines and cosines of the time")
        (dim,) = shape
        self.form = condition.form
        self.from_states = nn.Linear(states, width)
        self.from_text = nn.Linear(dim, width)
        self.from_image = nn.Linear(dim, width)
        self.embed_time = nn.Sequential(
            Sinusoids(width, includes_last=False), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.query = nn.Parameter(0.02 * torch.randn(width))
        self.positions = nn.Parameter(0.01 * torch.randn(self.form.length + _AFTER, width))
        self.blocks = make_blocks(width, layers, heads, causal=True, gelu="open_clip")
        self.norm_after = nn.LayerNorm(width)
        self.to_image = nn.Linear(width, dim)
        # Of the embeddings that it was trained on: published models have them standardised.
        self.register_buffer("statistics", torch.tensor([[0.0], [1.0]]).repeat(1, dim))

    def forward(self, z_t: Tensor, t: Tensor, *, rows: Tensor, text: Tensor, states: Tensor) -> Tensor:
        """Return predictions (B, D).

        Args:
            z_t: noisy image embeddings (B, D).
            t: their times (B,) in [0, 1].
            rows: the captions (B, L), whose padding is not attended to.
            text: their embeddings (B, D).
            states: of their tokens, (B, L, states).
        """
        further = [self.from_text(text), self.embed_time(t), self.from_image(z_t), self.query.expand(len(z_t), -1)]
        x = torch.cat([self.from_states(states), torch.stack(further, dim=1)], dim=1) + self.positions
        seen = pad(self.form.mask(rows), (0, _AFTER), value=True)
        causal = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).tril()
        # Each also attends to itself, as what is padding must attend to something.
        itself = torch.eye(x.shape[1], dtype=torch.bool, device=x.device)
        mask = (causal & seen[:, None]) | itself
        for block in self.blocks:
            x = block(x, mask[:, None])
        out: Tensor = self.to_image(self.norm_after(x[:, -1]))
        return out
