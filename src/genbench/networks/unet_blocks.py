"""What a U-Net of diffusion models is made of: residual blocks, attention, and changes of size.

After Ho et al. 2020 (https://arxiv.org/abs/2006.11239, appendix B) and Dhariwal and Nichol 2021
(https://arxiv.org/abs/2105.05233, section 3).
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, linear, pad

from genbench.networks.attention import attend, attention_weights
from genbench.networks.normalisation import GroupNorm

Padding = Literal["ho", "openai"]
Initialisation = Literal["ho", "openai"]

_GROUPS = 32


class Given(NamedTuple):
    """The conditioning of every block.

    Attributes:
        embedding: time embedding, plus those of latent and condition, (B, width).
        sequence: tokens to cross-attend to, (B, L, context), or None.
        mask: True for tokens, False for padding, bool (B, L), or None.
        values: what attention to each token yields, (B, L, context); None for the tokens themselves.
        style: an embedding of what is to be drawn, which scales the maps of every block, (B, D), or None.
    """

    embedding: Tensor
    sequence: Tensor | None = None
    mask: Tensor | None = None
    values: Tensor | None = None
    style: Tensor | None = None


NOTHING = Given(torch.empty(0))
"""The conditioning of blocks that have none, as in autoencoders."""


class Norm(NamedTuple):
    """How maps are normalised: by GroupNorm, whose details differ between implementations.

    Attributes:
        groups: of each map; None for 32, or fewer in narrow maps, so that each group has at least two channels.
        epsilon: 1e-6 in Ho's code, 1e-5 in OpenAI's.
    """

    groups: int | None = None
    epsilon: float = 1e-6

    def __call__(self, channels: int) -> GroupNorm:
        """Return the normalisation of a map.

        Raises:
            ValueError: the channels are not divisible into the groups.
        """
        if self.epsilon <= 0:
            raise ValueError(f"norm_eps must be positive, not {self.epsilon}")
        groups = self.groups_of(channels)
        if groups < 1 or channels % groups:
            raise ValueError(f"{channels} channels are not divisible into groups={groups}")
        return GroupNorm(groups, channels, eps=self.epsilon)

    def groups_of(self, channels: int) -> int:
        """Return the number of groups of a map."""
        if self.groups is not None:
            return self.groups
        most = min(_GROUPS, max(1, channels // 2))
        return next(count for count in range(most, 0, -1) if channels % count == 0)


group_norm = Norm()
"""The normalisation of Ho's U-Net."""


class ZeroConv2d(nn.Conv2d):
    """A convolution that begins at zero, so that the residual branch that it ends does."""

    def reset_parameters(self) -> None:
        """Set weights and biases to zero."""
        nn.init.zeros_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut, conditioned on the embedding between them.

    Args:
        channels_in: of the input.
        channels_out: of the output.
        width: length of the embedding; 0 for none, as in autoencoders.
        dropout: probability, before the second convolution.
        adaptive: the embedding scales and shifts the second GroupNorm's output (Nichol and Dhariwal 2021, section 3.1)
            instead of being added before it.
        norm: the normalisation of a map by its channels.
        scale: of the output's side: 1, or 2 or 0.5 for a block that resamples (Brock et al. 2019; Dhariwal and Nichol
            2021), by nearest neighbours or averages before its first convolution.
        style: length of a style that scales the second GroupNorm's output, after the embedding; 0 for none
            (Preechakul et al. 2022, https://arxiv.org/abs/2111.15640, equation 7).

    Raises:
        ValueError: there is a style, but no adaptive embedding.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        width: int,
        dropout: float,
        adaptive: bool,
        norm: Norm = group_norm,
        scale: float = 1,
        style: int = 0,
    ) -> None:
        super().__init__()
        if style and not (adaptive and width):
            raise ValueError("a style takes adaptive=true: it scales maps after the embedding has")
        self.adaptive = adaptive
        self.scale = scale
        self.first = nn.Sequential(norm(channels_in), nn.SiLU(), nn.Conv2d(channels_in, channels_out, 3, padding=1))
        outputs = 2 * channels_out if adaptive else channels_out
        self.from_embedding = nn.Sequential(nn.SiLU(), nn.Linear(width, outputs)) if width else None
        self.from_style = nn.Sequential(nn.SiLU(), nn.Linear(style, channels_out)) if style else None
        last = ZeroConv2d(channels_out, channels_out, 3, padding=1)
        self.second = nn.Sequential(norm(channels_out), nn.SiLU(), nn.Dropout(dropout), last)
        self.shortcut = nn.Identity() if channels_in == channels_out else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor, given: Given = NOTHING) -> Tensor:
        """Return the block's output for x (B, C, H, W)."""
        if self.scale == 1:
            hidden = self.first(x)
        else:
            hidden = self.first[2](self._resampled(self.first[:2](x)))
            x = self._resampled(x)
        out: Tensor = self.shortcut(x) + self._conditioned(hidden, given)
        return out

    def _conditioned(self, hidden: Tensor, given: Given) -> Tensor:
        """Return the second half's output."""
        out: Tensor
        if self.from_embedding is None:
            out = self.second(hidden)
            return out
        added = self.from_embedding(given.embedding)[:, :, None, None]
        if self.adaptive:
            scale, shift = added.chunk(2, dim=1)
            hidden = self.second[0](hidden) * (1 + scale) + shift
            if self.from_style is not None:
                hidden = hidden * (1 + self.from_style(given.style)[:, :, None, None])
            out = self.second[1:](hidden)
        else:
            out = self.second(hidden + added)
        return out

    def _resampled(self, x: Tensor) -> Tensor:
        return interpolate(x, scale_factor=2, mode="nearest") if self.scale > 1 else avg_pool2d(x, 2)


class Attention(nn.Module):
    """Residual self-attention over positions, and cross-attention to a sequence if there is one.

    The sequence's keys and values are concatenated to the map's own, as in GLIDE (Nichol et al. 2022, section 3).

    Args:
        channels: of the map.
        heads: attention heads, among which the channels are divided.
        context: width of the sequence; 0 for no sequence.
        norm: the normalisation of a map by its channels.
        to_map: whether the map attends to itself, too; otherwise to the sequence alone, as at high resolutions in
            Imagen (Saharia et al. 2022, section 2.4).

    Raises:
        ValueError: the channels are not divisible into heads, or there is nothing to attend to.
    """

    watch: Callable[[Tensor, tuple[int, int]], None] | None = None
    """Is given the weights (B, heads, H * W, L) of the sequence and the map's side (H, W) at each call; see
    `attention_maps`."""

    def __init__(
        self, channels: int, heads: int, context: int = 0, norm: Norm = group_norm, *, to_map: bool = True
    ) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels are not divisible by heads={heads}")
        if not (to_map or context):
            raise ValueError("attend_to=sequence takes a condition that is a sequence, such as captions")
        self.heads = heads
        self.to_map = to_map
        self.norm = norm(channels)
        self.to_qkv = nn.Conv2d(channels, (3 if to_map else 1) * channels, 1)
        self.from_sequence = nn.Linear(context, 2 * channels) if context else None
        self.to_out = ZeroConv2d(channels, channels, 1)

    def forward(self, x: Tensor, given: Given = NOTHING) -> Tensor:
        """Return x (B, C, H, W) plus the attention's output."""
        count, channels, height, width = x.shape
        places = self.to_qkv(self.norm(x)).reshape(count, -1, self.heads, channels // self.heads, height * width)
        parts = places.transpose(-1, -2).unbind(1)
        # Of a map that does not attend to itself there are queries alone.
        q, (k, v) = parts[0], parts[1:] or [parts[0][:, :, :0]] * 2
        mask = None
        if self.from_sequence is not None:
            k, v, mask = self._with_sequence(k, v, given)
        if self.watch is not None:
            own = height * width if self.to_map else 0
            self.watch(attention_weights(q, k, mask)[..., own:], (height, width))
        seen = attend(q, k, v, mask).transpose(-1, -2).reshape(x.shape)
        out: Tensor = x + self.to_out(seen)
        return out

    def _with_sequence(self, k: Tensor, v: Tensor, given: Given) -> tuple[Tensor, Tensor, Tensor]:
        """Return keys and values (B, heads, H * W + L, channels of a head), and the mask of those to attend to."""
        assert self.from_sequence is not None
        assert given.sequence is not None
        assert given.mask is not None
        count, length, _ = given.sequence.shape
        if given.values is None:
            both = self.from_sequence(given.sequence)
        else:
            weights, biases = self.from_sequence.weight.chunk(2), self.from_sequence.bias.chunk(2)
            each = zip((given.sequence, given.values), weights, biases, strict=True)
            both = torch.cat([linear(tokens, weight, bias) for tokens, weight, bias in each], dim=-1)
        words = both.view(count, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        everywhere = given.mask.new_ones(count, k.shape[2])
        mask = torch.cat([everywhere, given.mask], dim=1)[:, None, None]
        return torch.cat([k, words[0]], dim=2), torch.cat([v, words[1]], dim=2), mask


class Downsample(nn.Module):
    """Halve the resolution by a strided convolution.

    Args:
        channels: of the map.
        padding: "ho", a pixel at the right and below, as TensorFlow pads an even side (Ho et al. 2020; diffusers); or
            "openai", a pixel on all sides (Nichol and Dhariwal 2021).
    """

    def __init__(self, channels: int, padding: Padding = "ho") -> None:
        super().__init__()
        self.is_ho = padding == "ho"
        self.convolution = nn.Conv2d(channels, channels, 3, stride=2, padding=0 if self.is_ho else 1)

    def forward(self, x: Tensor, given: Given = NOTHING) -> Tensor:
        """Return the smaller map; the conditioning is not used."""
        out: Tensor = self.convolution(pad(x, (0, 1, 0, 1)) if self.is_ho else x)
        return out


class Upsample(nn.Module):
    """Double the resolution by nearest neighbours, then smooth by a convolution.

    Args:
        channels: of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, given: Given = NOTHING) -> Tensor:
        """Return the larger map; the conditioning is not used."""
        out: Tensor = self.convolution(interpolate(x, scale_factor=2, mode="nearest"))
        return out


def initialise_as_ho(network: nn.Module) -> None:
    """Draw weights uniformly, of a variance of one over the mean of fan-in and fan-out, and set biases to zero.

    In place; after the code of Ho et al. 2020, which has q, k and v as layers of their own. What ends a residual branch
    begins at zero, where that code draws it 1e-5 times as wide.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and not isinstance(module, ZeroConv2d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, Attention):
            for part in module.to_qkv.weight.split(module.to_qkv.in_channels):
                nn.init.xavier_uniform_(part)
