"""The pre-LN transformer of CLIP's towers (Radford et al. 2021, https://arxiv.org/abs/2103.00020, section 2.4)."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu as exact_gelu

from genbench.choices import expect_choice
from genbench.networks.attention import attend, attention_weights

Gelu = Literal["openai", "open_clip"]
"""Whose GELU: OpenAI's weights need its approximation, and lose accuracy silently with the exact one."""

Biases = Literal["openai", "glide"]
"""Whose attention: OpenAI's CLIP has a bias of keys, which changes no output, and GLIDE's has none."""


class GELU(nn.Module):
    """The activation: OpenAI's approximation x sigmoid(1.702 x), or the exact x Phi(x) of most open_clip models.

    Args:
        whose: "openai" or "open_clip".

    Raises:
        ValueError: it is neither.
    """

    def __init__(self, whose: Gelu) -> None:
        super().__init__()
        expect_choice("gelu", whose, Gelu)
        self.whose = whose

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of x, of any shape."""
        return x * torch.sigmoid(1.702 * x) if self.whose == "openai" else exact_gelu(x)


class Attention(nn.Module):
    """Self-attention of several heads.

    Args:
        width: of the tokens, a multiple of `heads`.
        heads: how many.
        causal: whether a token attends only to itself and those before it.
        biases: whose, of queries, keys and values or not of keys.

    Raises:
        ValueError: a number is out of range, or `biases` is neither.
    """

    def __init__(self, width: int, heads: int, *, causal: bool, biases: Biases = "openai") -> None:
        super().__init__()
        expect_choice("biases", biases, Biases)
        if heads < 1 or width % heads:
            raise ValueError(f"heads={heads} must divide width={width}")
        self.heads = heads
        self.causal = causal
        self.qkv = nn.Linear(width, 3 * width, bias=biases == "openai")
        self.qv_bias = None if biases == "openai" else nn.Parameter(torch.zeros(2, width))
        self.out = nn.Linear(width, width)
        # As torch's MultiheadAttention, of which OpenAI's is made.
        nn.init.xavier_uniform_(self.qkv.weight)
        if self.qv_bias is None:
            nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return what each of the tokens x (B, L, width) gathers, of the same shape.

        Args:
            x: the tokens.
            mask: True for tokens to attend to, bool (B, 1, L, L), in place of `causal`; None for no other than that.
        """
        q, k, v = self._heads_of(x)
        gathered = attend(q, k, v, mask, causal=self.causal and mask is None)
        out: Tensor = self.out(gathered.transpose(1, 2).flatten(2))
        return out

    def watched(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `forward` does, and the weights (B, heads, L, L) by which it was gathered, with their graph.

        Raises:
            ValueError: the attention is causal.
        """
        if self.causal:
            raise ValueError("attention that is causal is not watched")
        q, k, v = self._heads_of(x)
        weights = attention_weights(q, k, None)
        out: Tensor = self.out((weights.to(v) @ v).transpose(1, 2).flatten(2))
        return out, weights

    def _heads_of(self, x: Tensor) -> Tensor:
        """Return queries, keys and values (3, B, heads, L, D) of tokens."""
        qkv = self.qkv(x)
        if self.qv_bias is not None:
            q, v = self.qv_bias
            qkv = qkv + torch.cat([q, torch.zeros_like(q), v])
        heads: Tensor = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return heads


class Block(nn.Module):
    """x + attention(LN(x)), then x + MLP(LN(x)).

    Args:
        width: of the tokens.
        heads: of the attention.
        causal: see `Attention`.
        gelu: whose activation.
        biases: see `Attention`.
    """

    def __init__(self, width: int, heads: int, *, causal: bool, gelu: Gelu, biases: Biases) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads, causal=causal, biases=biases)
        self.norm_2 = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.activation = GELU(gelu)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the tokens x (B, L, width) after the block; for the mask see `Attention`."""
        return self._after(x + self.attention(self.norm_1(x), mask))

    def watched(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `forward` does, and the weights of its attention, see `Attention.watched`."""
        gathered, weights = self.attention.watched(self.norm_1(x))
        return self._after(x + gathered), weights

    def _after(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.narrow(self.activation(self.widen(self.norm_2(x))))
        return out


def make_blocks(
    width: int, layers: int, heads: int, *, causal: bool, gelu: Gelu, biases: Biases = "openai"
) -> nn.Sequential:
    """Return a transformer's blocks, see `Block`.

    Raises:
        ValueError: a number is out of range.
    """
    if layers < 1:
        raise ValueError(f"layers must be at least 1, not {layers}")
    return nn.Sequential(*(Block(width, heads, causal=causal, gelu=gelu, biases=biases) for _ in range(layers)))
