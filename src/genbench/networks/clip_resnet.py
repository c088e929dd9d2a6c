"""CLIP's ResNets (Radford et al. 2021, section 2.4; He et al. 2016 with the changes of ResNet-D and Zhang 2019).

A stem of three convolutions, strides that are average pools before or after the convolutions, and attention in place of
the last pooling.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from genbench.networks.attention import attend
from genbench.networks.relevance import relevance_of_maps

_EXPANSION = 4
_HEAD_CHANNELS = 64


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with a shortcut; a stride is an average pool after the second.

    Args:
        channels_in: of the input.
        channels: of the inner maps; the output has four times as many.
        stride: 1 or 2.
    """

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        channels_out = _EXPANSION * channels
        self.conv_1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.norm_1 = nn.BatchNorm2d(channels)
        self.conv_2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm_2 = nn.BatchNorm2d(channels)
        self.pool: nn.Module = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.conv_3 = nn.Conv2d(channels, channels_out, 1, bias=False)
        self.norm_3 = nn.BatchNorm2d(channels_out)
        # Each block begins as the identity.
        nn.init.zeros_(self.norm_3.weight)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels_in != channels_out:
            convolution = nn.Conv2d(channels_in, channels_out, 1, bias=False)
            self.shortcut = nn.Sequential(nn.AvgPool2d(stride), convolution, nn.BatchNorm2d(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps of x (B, channels_in, H, W)."""
        hidden = relu(self.norm_1(self.conv_1(x)))
        hidden = self.pool(relu(self.norm_2(self.conv_2(hidden))))
        return relu(self.norm_3(self.conv_3(hidden)) + self.shortcut(x))


class AttentionPool(nn.Module):
    """Attention of the mean place to all places, one vector per image.

    Args:
        places: of the maps.
        width: channels of the maps.
        outputs: of the vector.
    """

    def __init__(self, places: int, width: int, outputs: int) -> None:
        super().__init__()
        self.heads = max(1, width // _HEAD_CHANNELS)
        self.positions = nn.Parameter(torch.empty(places + 1, width))
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.project = nn.Linear(width, outputs)
        for weight in (self.positions, *(layer.weight for layer in (self.q, self.k, self.v, self.project))):
            nn.init.normal_(weight, std=width**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Return vectors (B, outputs) of maps x (B, width, H, W)."""
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([x.mean(1, keepdim=True), x], dim=1) + self.positions
        q, k, v = (
            layer(each).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, each in ((self.q, x[:, :1]), (self.k, x), (self.v, x))
        )
        gathered = attend(q, k, v)
        out: Tensor = self.project(gathered.transpose(1, 2).flatten(1))
        return out


class CLIPResNet(nn.Module):
    """Map images (B, 3, side, side) to embeddings (B, embedding_dim).

    Args:
        side: of the images in pixels, a multiple of 32.
        embedding_dim: numbers of an embedding.
        width: channels of the stem; the last maps have 32 times as many, in heads of 64 channels.
        layers: bottleneck blocks at each of the four resolutions.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, side: int, *, embedding_dim: int, width: int, layers: Sequence[int]) -> None:
        super().__init__()
        if side % 32:
            raise ValueError(f"data.size={side}, or method.image_size, must be a multiple of 32 pixels")
        if len(layers) != 4 or min(layers) < 1 or width < 2 or width % 2:
            raise ValueError(f"layers={list(layers)} must be four numbers from 1 on, and width={width} even")
        self.side, self.embedding_dim = side, embedding_dim
        half = width // 2
        self.stem = nn.Sequential(
            *(nn.Conv2d(3, half, 3, 2, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU()),
            *(nn.Conv2d(half, half, 3, 1, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU()),
            *(nn.Conv2d(half, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()),
            nn.AvgPool2d(2),
        )
        levels, channels_in = [], width
        for level, count in enumerate(layers):
            channels, blocks = width * 2**level, []
            for index in range(count):
                blocks.append(Bottleneck(channels_in, channels, 2 if level and not index else 1))
                channels_in = _EXPANSION * channels
            levels.append(nn.Sequential(*blocks))
        self.levels = nn.Sequential(*levels)
        self.pool = AttentionPool((side // 32) ** 2, channels_in, embedding_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return the embeddings."""
        out: Tensor = self.pool(self.levels(self.stem(x)))
        return out

    def places(self, x: Tensor) -> Tensor:
        """Return the vectors (B, L, C) of all places of the last maps."""
        maps: Tensor = self.levels(self.stem(x))
        return maps.flatten(2).transpose(1, 2)

    def relevance(self, x: Tensor, score: Callable[[Tensor], Tensor]) -> Tensor:
        """Return how relevant each place is for a score of embeddings, (B, H, W), see `relevance_of_maps`."""
        with torch.no_grad():
            maps = self.levels(self.stem(x))
        return relevance_of_maps(maps, self.pool, score)
