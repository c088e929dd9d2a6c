"""A small residual image tower for CLIP, of images too small for OpenAI's ResNets, which shrink them 32 times.

Blocks of He et al. 2016 (https://arxiv.org/abs/1512.03385). All levels but the last normalise half of their channels by
the image alone, as IBN-Net does (Pan et al. 2018, https://arxiv.org/abs/1807.09441): shapes are learnt sooner whatever
their colours, which the other half keeps. The largest value of each channel is read, not an average over all places: of
something small in the picture an average sees little.

Of noisy images the time's embedding scales and shifts the first normalised maps of each block, as in ADM (Dhariwal and
Nichol 2021, section 3.1).
"""

from collections.abc import Callable
from math import ceil

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from genbench.networks.relevance import relevance_of_maps
from genbench.networks.time_embedding import embed_time

_TIMES = 4
"""Length of the time's embedding, in widths of the tower."""


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
        times: length of the time's embedding; 0 for images without noise.
    """

    def __init__(self, channels_in: int, channels: int, stride: int, *, is_last: bool, times: int = 0) -> None:
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
        self.from_time = nn.Linear(times, 2 * channels) if times else None
        if self.from_time is not None:
            # At first the time changes nothing.
            nn.init.zeros_(self.from_time.weight)
            nn.init.zeros_(self.from_time.bias)

    def forward(self, x: Tensor, time: Tensor | None = None) -> Tensor:
        """Return the maps of x (B, channels_in, H, W), by the embedding of the time (B, times), if it is given that."""
        hidden = self.norm_1(self.conv_1(x))
        if self.from_time is not None:
            scale, shift = self.from_time(time)[..., None, None].chunk(2, dim=1)
            hidden = (1 + scale) * hidden + shift
        hidden = relu(hidden)
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
        steps: of the chain whose noisy images it takes, with their times; None for images without noise.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, side: int, *, embedding_dim: int, width: int, levels: int, steps: int | None = None) -> None:
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
        times = 0 if steps is None else _TIMES * width
        self.blocks = nn.Sequential(
            *(BasicBlock(a, b, 2 if n else 1, is_last=n == levels - 1, times=times) for n, (a, b) in enumerate(pairs))
        )
        self.embed_time = nn.Sequential(embed_time("sinusoids", 2 * width, times), nn.SiLU()) if times else None
        self.pool = LargestPool(ceil(side / 2**levels) ** 2, maps[-1], embedding_dim)

    def forward(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        """Return the embeddings, of noisy images those at times t (B,) in [0, 1]."""
        out: Tensor = self.pool(self._maps(x, t))
        return out

    def places(self, x: Tensor) -> Tensor:
        """Return the vectors (B, L, C) of all places of the last maps."""
        return self._maps(x).flatten(2).transpose(1, 2)

    def relevance(self, x: Tensor, score: Callable[[Tensor], Tensor]) -> Tensor:
        """Return how relevant each place is for a score of embeddings, (B, H, W), see `relevance_of_maps`."""
        with torch.no_grad():
            maps = self._maps(x)
        return relevance_of_maps(maps, self.pool, score)

    def _maps(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        time = None if self.embed_time is None else self.embed_time(t)
        maps: Tensor = self.stem(x)
        for block in self.blocks:
            maps = block(maps, time)
        return maps
