"""A small residual image tower for CLIP, of images too small for OpenAI's ResNets, which shrink them 32 times.

Blocks of He et al. 2016 (https://arxiv.org/abs/1512.03385). All levels but the last normalise half of their channels by
the image alone, as IBN-Net does (Pan et al. 2018, https://arxiv.org/abs/1807.09441): shapes are learnt sooner whatever
their colours, which the other half keeps. The largest value of each channel is read, not an average over all places: of
something small in the picture an average sees little.
"""

from math import ceil

import torch
from torch import Tensor, nn
from torch.nn.functional import relu


class HalfInstanceNorm(nn.Module):
    """InstanceNorm of the first half of the channels, BatchNorm of the others.

    Args:
        channels: of the maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.count = channels // 2
        self.instance = nn.InstanceNorm2d(self.count, affine=True)
        self.batch = nn.BatchNorm2d(channels - self.count)

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised maps of x (B, channels, H, W)."""
        return torch.cat([self.instance(x[:, : self.count]), self.batch(x[:, self.count :])], dim=1)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut.

    Args:
        channels_in: of the input.
        channels: of the output.
        stride: 1 or 2.
        is_last: whether it is of the last level.
    """

    def __init__(self, channels_in: int, channels: int, stride: int, *, is_last: bool) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.norm_1: nn.Module = nn.BatchNorm2d(channels) if is_last else HalfInstanceNorm(channels)
        self.conv_2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm_2 = nn.BatchNorm2d(channels)
        # Each block begins as its shortcut.
        nn.init.zeros_(self.norm_2.weight)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels_in != channels:
            convolution = nn.Conv2d(channels_in, channels, 1, bias=False)
            self.shortcut = nn.Sequential(nn.AvgPool2d(stride, ceil_mode=True), convolution, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps of x (B, channels_in, H, W)."""
        hidden = relu(self.norm_1(self.conv_1(x)))
        return relu(self.norm_2(self.conv_2(hidden)) + self.shortcut(x))


class LargestPool(nn.Module):
    """The largest value of each channel over all places, which may depend on the place by a learnt offset.

    Args:
        places: of the maps.
        channels: of the maps.
        outputs: numbers of the result.
    """

    def __init__(self, places: int, channels: int, outputs: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(channels**-0.5 * torch.randn(places, channels))
        self.norm = nn.LayerNorm(channels)
        self.project = nn.Linear(channels, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs) of maps x (B, channels, H, W)."""
        out: Tensor = self.project(self.norm((x.flatten(2).transpose(1, 2) + self.positions).amax(1)))
        return out


class SmallResNet(nn.Module):
    """Map images (B, 3, side, side) to embeddings (B, embedding_dim), with maps of side / 2, side / 4 and so on.

    Args:
        side: of the images in pixels, at least 2 to the power of `levels`.
        embedding_dim: numbers of an embedding.
        width: channels of the first maps, doubled at each level.
        levels: resolutions, with a block each.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, side: int, *, embedding_dim: int, width: int, levels: int) -> None:
        super().__init__()
        if levels < 1 or side < 2**levels:
            raise ValueError(
                f"levels={levels} must be from 1 on, and data.size={side}, or method.image_size, at least 2 to "
                "the power of it"
            )
        self.side, self.embedding_dim = side, embedding_dim
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1, bias=False), HalfInstanceNorm(width), nn.ReLU())
        maps = [width * 2**level for level in range(levels)]
        pairs = zip([width, *maps], maps, strict=False)
        self.blocks = nn.Sequential(
            *(BasicBlock(a, b, 2 if n else 1, is_last=n == levels - 1) for n, (a, b) in enumerate(pairs))
        )
        self.pool = LargestPool(ceil(side / 2**levels) ** 2, maps[-1], embedding_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return the embeddings."""
        out: Tensor = self.pool(self.blocks(self.stem(x)))
        return out
