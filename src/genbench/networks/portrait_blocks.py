"""Residual blocks of talking-head models (Zakharov et al. 2019, https://arxiv.org/abs/1905.08233, appendix A).

They are BigGAN's (Brock et al. 2019), with InstanceNorm where that has BatchNorm, or with none; self-attention is that
of Zhang et al. 2019.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu, relu, softmax

from genbench.networks.normalisation import adaptive_instance_norm, normalisation


class Halving(nn.Module):
    """A residual block that halves its maps.

    Args:
        inputs: channels.
        outputs: channels.
        norm: whether InstanceNorm with scale and shift precedes each convolution.
        first: whether it is given images, which are not activated.
    """

    def __init__(self, inputs: int, outputs: int, *, norm: bool = False, first: bool = False) -> None:
        super().__init__()
        make_norm, _ = normalisation("batch_of_one" if norm else "none")
        self.before = nn.Identity() if first else nn.Sequential(make_norm(inputs), nn.ReLU())
        self.inner = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.between = nn.Sequential(make_norm(outputs), nn.ReLU())
        self.outer = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (B, outputs, H / 2, W / 2) of maps (B, inputs, H, W)."""
        inner = self.outer(self.between(self.inner(self.before(x))))
        # A convolution of one pixel and a mean of four may change places.
        return avg_pool2d(inner, 2) + self.skip(avg_pool2d(x, 2))


class Residual(nn.Module):
    """A residual block of one size, without normalisation.

    Args:
        channels: of the maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Conv2d(channels, channels, 3, padding=1)
        self.outer = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (B, channels, H, W)."""
        return x + self.outer(relu(self.inner(relu(x))))


class Adaptive(nn.Module):
    """A residual block whose InstanceNorms have scales and shifts that are given, and that may double its maps.

    Args:
        inputs: channels.
        outputs: channels.
        doubles: whether maps are made twice as large, by repeating pixels.
    """

    def __init__(self, inputs: int, outputs: int, *, doubles: bool) -> None:
        super().__init__()
        self.inner = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.outer = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if doubles else nn.Identity()
        self.doubles = doubles
        self.numbers = (2 * inputs, 2 * outputs)
        """Of the scales and shifts of its two normalisations."""

    def forward(self, x: Tensor, styles: Iterator[Tensor]) -> Tensor:
        """Return maps (B, outputs, H, W), or twice as large, of maps (B, inputs, H, W) and of the next two styles."""
        inner = relu(restyled(x, next(styles)))
        inner = self.inner(interpolate(inner, scale_factor=2) if self.doubles else inner)
        inner = self.outer(relu(restyled(inner, next(styles))))
        skip = self.skip(x)
        return inner + (interpolate(skip, scale_factor=2) if self.doubles else skip)


def restyled(x: Tensor, style: Tensor) -> Tensor:
    """Return maps x (B, C, H, W) with deviations 1 + s and means m, of styles (s, m) (B, 2 C)."""
    scale, mean = style.chunk(2, dim=1)
    return adaptive_instance_norm(x, mean, 1 + scale)


class SelfAttention(nn.Module):
    """Each place of a map attends to all others; nothing is added at first (Zhang et al. 2019, section 3).

    https://arxiv.org/abs/1805.08318

    Args:
        channels: of the maps; queries and keys have an eighth of them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(1, channels // 8)
        self.query, self.key = nn.Conv2d(channels, narrow, 1), nn.Conv2d(channels, narrow, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (B, C, H, W)."""
        query, key, value = (layer(x).flatten(2) for layer in (self.query, self.key, self.value))
        attention = softmax(query.transpose(1, 2) @ key, dim=-1)
        return x + self.gamma * (value @ attention.transpose(1, 2)).view_as(x)


class Pyramid(nn.Sequential):
    """Halving blocks down to a side, with self-attention on the map of one size.

    Args:
        channels: of what comes in.
        side: of it, in pixels.
        smallest: side of the last map; 1, 2, 4, ... times as small.
        width: channels of the first map, doubled with each halving.
        most: channels of a map at most.
        attention: side of the map whose places attend to each other; 0 for none.
        norm: see `Halving`.

    Attributes:
        widths: channels of the maps.

    Raises:
        ValueError: the side is not a power of two times the smallest.
    """

    def __init__(
        self, channels: int, side: int, smallest: int, *, width: int, most: int, attention: int, norm: bool = False
    ) -> None:
        count = (side // smallest).bit_length() - 1
        if count < 1 or smallest * 2**count != side:
            raise ValueError(
                f"it takes images whose side is {smallest} pixels times a power of two, at least {2 * smallest}, not "
                f"{side}"
            )
        widths = [min(width * 2**level, most) for level in range(count)]
        blocks: list[nn.Module] = []
        for level, outputs in enumerate(widths):
            block: nn.Module = Halving(
                channels if level == 0 else widths[level - 1], outputs, norm=norm, first=level == 0
            )
            attends = attention == side // 2 ** (level + 1)
            blocks.append(nn.Sequential(block, SelfAttention(outputs)) if attends else block)
        super().__init__(*blocks)
        self.widths: Sequence[int] = widths


def summed(x: Tensor) -> Tensor:
    """Return vectors (B, C) of maps (B, C, H, W): leaky ReLU of slope 0.2 of the sum over all places.

    The paper has ReLU. Divided by their singular values, untrained layers give little, and a few steps of the biases
    are enough to make all sums negative for good: embeddings and scores were then the same for everybody.
    """
    return leaky_relu(x.sum((2, 3)), 0.2)
