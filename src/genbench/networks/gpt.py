"""A causal transformer over tokens: GPT-2's (Radford et al. 2019), as VQGAN uses it for its codes.

Pre-LN blocks, learnt positions, and an output layer of its own without bias (Esser et al. 2021, section 3.2).

Example:
    >>> network = GPT(inputs=1024, outputs=1024, length=512)  # VQGAN's for faces: 304.9 M parameters
    >>> network(torch.zeros(2, 257, dtype=torch.int64)).shape
    torch.Size([2, 257, 1024])
"""

import torch
from torch import Tensor, nn

from genbench.networks.attention import attend

_STD = 0.02


class Cache:
    """Keys and values of the tokens that a network has seen, so that each is computed once."""

    def __init__(self) -> None:
        self.length = 0
        self._seen: dict[int, tuple[Tensor, Tensor]] = {}

    def extended(self, block: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values (B, heads, L, D) of a block, after those of earlier tokens."""
        if block in self._seen:
            past_k, past_v = self._seen[block]
            k, v = torch.cat([past_k, k], dim=2), torch.cat([past_v, v], dim=2)
        self._seen[block] = k, v
        return k, v


class Block(nn.Module):
    """Causal self-attention and two layers with a GELU, each after a LayerNorm and with a shortcut.

    Args:
        width: of the tokens, a multiple of `heads`.
        heads: of the attention.
        dropout: probability, at the end of both branches.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.before_layers = nn.LayerNorm(width)
        self.layers = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, number: int, cache: Cache | None) -> Tensor:
        """Return the tokens x (B, L, width), each with what it gathered of itself and those before it."""
        q, k, v = self.qkv(self.before_attention(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if cache is None:
            gathered = attend(q, k, v, causal=True)
        else:
            k, v = cache.extended(number, k, v)
            mask = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=x.device).tril(k.shape[2] - q.shape[2])
            gathered = attend(q, k, v, mask)
        x = x + self.dropout(self.out(gathered.transpose(1, 2).flatten(2)))
        out: Tensor = x + self.dropout(self.layers(self.before_layers(x)))
        return out


class GPT(nn.Module):
    """Map each token of a sequence to logits of the next one.

    Args:
        inputs: how many different tokens there are.
        outputs: how many of them may come next, the first ones.
        length: of the longest sequence.
        width: of the tokens.
        layers: blocks.
        heads: of each attention.
        dropout: probability, after the embeddings and in each block.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        length: int,
        *,
        width: int = 1024,
        layers: int = 24,
        heads: int = 16,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for name, value in (("width", width), ("layers", layers), ("heads", heads), ("length", length)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        if width % heads:
            raise ValueError(f"heads={heads} must divide width={width}")
        self.tokens = nn.Embedding(inputs, width)
        self.positions = nn.Parameter(torch.zeros(length, width))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.to_logits = nn.Linear(width, outputs, bias=False)
        self.apply(_initialise)

    def forward(self, tokens: Tensor, cache: Cache | None = None) -> Tensor:
        """Return logits (B, L, outputs) of what follows each of the tokens (B, L).

        Args:
            tokens: int64.
            cache: of the tokens that precede these, to which they are added; None if none do.

        Raises:
            ValueError: the sequence is too long.
        """
        first = 0 if cache is None else cache.length
        last = first + tokens.shape[1]
        if last > len(self.positions):
            raise ValueError(f"a sequence has at most {len(self.positions)} tokens, not {last}")
        x = self.dropout(self.tokens(tokens) + self.positions[first:last])
        for number, block in enumerate(self.blocks):
            x = block(x, number, cache)
        if cache is not None:
            cache.length = last
        logits: Tensor = self.to_logits(self.norm(x))
        return logits


def _initialise(module: nn.Module) -> None:
    """Draw weights from a normal distribution of deviation 0.02, and set biases to zero."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=_STD)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
