"""The attention of latent diffusion: transformer blocks over a map, which attend to themselves and to a sequence.

Rombach et al. 2022 (https://arxiv.org/abs/2112.10752, appendix E.2.1). It takes the place of the single layer of
attention that other U-Nets of diffusion models have.
"""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.functional import gelu

from genbench.networks.attention import attend, attention_weights
from genbench.networks.unet_blocks import NOTHING, Given, Norm, ZeroConv2d, group_norm

_EPSILON = 1e-6
"""Of the map's normalisation, whatever that of the residual blocks is."""


class CrossAttention(nn.Module):
    """Attention of tokens to a sequence, or to themselves, with queries, keys and values without biases.

    Args:
        width: of the tokens, a multiple of `heads`.
        heads: how many.
        context: width of the sequence; None for the tokens themselves.
    """

    watch: Callable[[Tensor, tuple[int, int]], None] | None = None
    """See `unet_blocks.Attention`."""

    def __init__(self, width: int, heads: int, context: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.context = context
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(width if context is None else context, width, bias=False)
        self.to_v = nn.Linear(width if context is None else context, width, bias=False)
        self.to_out = nn.Linear(width, width)

    def forward(self, x: Tensor, given: Given, side: tuple[int, int]) -> Tensor:
        """Return what tokens x (B, H * W, width) of a map of side (H, W) gather."""
        seen, mask, values = x, None, None
        if self.context is not None:
            assert given.sequence is not None
            seen, values = given.sequence, given.values
            mask = None if given.mask is None else given.mask[:, None, None]
        q, k, v = (
            layer(each).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, each in (
                (self.to_q, x),
                (self.to_k, seen),
                (self.to_v, seen if values is None else values),
            )
        )
        if self.watch is not None:
            self.watch(attention_weights(q, k, mask), side)
        out: Tensor = self.to_out(attend(q, k, v, mask).transpose(1, 2).flatten(2))
        return out


class _Block(nn.Module):
    """Self-attention, attention to a sequence if there is one, and gated layers, each with a LayerNorm before."""

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        # Without a sequence it attends to itself twice, as the authors' code does.
        attentions = [CrossAttention(width, heads), CrossAttention(width, heads, context or None)]
        self.attentions = nn.ModuleList(attentions)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.widen = nn.Linear(width, 8 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, given: Given, side: tuple[int, int]) -> Tensor:
        """Return tokens (B, H * W, width)."""
        for attention, norm in zip(self.attentions, self.norms, strict=False):
            x = x + attention(norm(x), given, side)
        hidden, gate = self.widen(self.norms[2](x)).chunk(2, dim=-1)
        out: Tensor = x + self.narrow(hidden * gelu(gate))
        return out


class SpatialTransformer(nn.Module):
    """Transformer blocks over the places of a map, with a shortcut around them.

    Args:
        channels: of the map.
        heads: of each attention, among which the channels are divided.
        context: width of the sequence; 0 for no sequence.
        depth: blocks.
        norm: the normalisation of residual blocks, whose groups the map's has, too.

    Raises:
        ValueError: the channels are not divisible into heads.
    """

    def __init__(self, channels: int, heads: int, context: int, depth: int, norm: Norm = group_norm) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels are not divisible by heads={heads}")
        self.norm = norm._replace(epsilon=_EPSILON)(channels)
        self.first = nn.Conv2d(channels, channels, 1)
        self.blocks = nn.ModuleList(_Block(channels, heads, context) for _ in range(depth))
        self.last = ZeroConv2d(channels, channels, 1)

    def forward(self, x: Tensor, given: Given = NOTHING) -> Tensor:
        """Return x (B, C, H, W) plus the blocks' output."""
        side = (x.shape[2], x.shape[3])
        tokens = self.first(self.norm(x)).flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens, given, side)
        out: Tensor = x + self.last(tokens.transpose(1, 2).unflatten(2, side))
        return out
