"""The hourglass of deep image prior, by which Text2LIVE draws its layer (Ulyanov et al. 2018).

https://arxiv.org/abs/1711.10925, with the settings of Bar-Tal et al. 2022 (https://arxiv.org/abs/2204.02491).

Example:
    >>> SkipNetwork(3, 4, side=256)(torch.randn(1, 3, 256, 256)).shape
    torch.Size([1, 4, 256, 256])
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate


def _layer(channels_in: int, channels: int, kernel: int, *, stride: int = 1, norm: bool = True) -> nn.Sequential:
    """Return a convolution with reflected borders, BatchNorm unless it is left out, and leaky ReLU."""
    convolution = nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2, padding_mode="reflect")
    return nn.Sequential(convolution, nn.BatchNorm2d(channels) if norm else nn.Identity(), nn.LeakyReLU(0.2))


class Scale(nn.Module):
    """One resolution: a narrow skip beside what all lower resolutions make of the maps.

    Args:
        channels_in: of the maps.
        channels: of the result.
        skip: channels of the skip.
        inner: the next lower resolution, which has as many channels; None at the lowest.
        is_first: whether it is that of the image, whose last layer has no BatchNorm.
    """

    def __init__(self, channels_in: int, channels: int, skip: int, inner: nn.Module | None, *, is_first: bool) -> None:
        super().__init__()
        self.skip = _layer(channels_in, skip, 1)
        self.down = nn.Sequential(_layer(channels_in, channels, 3, stride=2), _layer(channels, channels, 3))
        self.inner = inner
        self.norm = nn.BatchNorm2d(skip + channels)
        self.up = nn.Sequential(_layer(skip + channels, channels, 3), _layer(channels, channels, 1, norm=not is_first))

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (B, channels, H, W) of maps x (B, channels_in, H, W)."""
        deep = self.down(x)
        if self.inner is not None:
            deep = self.inner(deep)
        deep = interpolate(deep, x.shape[2:], mode="bilinear")
        out: Tensor = self.up(self.norm(torch.cat([self.skip(x), deep], dim=1)))
        return out


class SkipNetwork(nn.Module):
    """Map images (B, channels_in, H, W) to maps (B, channels_out, H, W) in [0, 1].

    Args:
        channels_in: of the images.
        channels_out: of the result.
        side: of the images in pixels, the smaller one.
        width: channels of all maps.
        skip: channels of each skip.
        scales: resolutions below that of the image, at most; as many as leave maps of two pixels.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self, channels_in: int, channels_out: int, side: int, *, width: int = 128, skip: int = 4, scales: int = 7
    ) -> None:
        super().__init__()
        if min(width, skip, scales) < 1:
            raise ValueError(f"width={width}, skip={skip} and scales={scales} must be at least 1")
        if side < 4:
            raise ValueError(f"images must have at least 4 pixels a side, not {side}")
        # Borders of a pixel are reflected, which takes two.
        scales = min(scales, side.bit_length() - 2)
        inner: nn.Module | None = None
        for scale in reversed(range(scales)):
            inner = Scale(width if scale else channels_in, width, skip, inner, is_first=not scale)
        assert inner is not None
        self.scales = inner
        self.last = nn.Conv2d(width, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps."""
        out: Tensor = self.last(self.scales(x)).sigmoid()
        return out
