"""The downward half of a U-Net with attention pooling: the classifier of noisy images of guided diffusion.

After Dhariwal and Nichol 2021 (https://arxiv.org/abs/2105.05233, section 4).

Example:
    >>> UNetEncoder((3, 64, 64), outputs=1000)(torch.randn(2, 3, 64, 64), torch.rand(2)).shape
    torch.Size([2, 1000])
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genbench.networks.attention import attend
from genbench.networks.time_embedding import TimeFeatures, embed_time
from genbench.networks.unet_blocks import Given, Norm, Padding
from genbench.networks.unet_levels import Attends, Levels, Resampling, maps_of


class AttentionPool(nn.Module):
    """The output of self-attention at the mean of a map, which attends to all places (Radford et al. 2021).

    Args:
        channels: of the map.
        side: of the map.
        head_channels: channels of each head.
    """

    def __init__(self, channels: int, side: int, head_channels: int) -> None:
        super().__init__()
        if channels % head_channels:
            raise ValueError(f"{channels} channels are not divisible by head_channels={head_channels}")
        self.heads = channels // head_channels
        self.positions = nn.Parameter(torch.randn(channels, side**2 + 1) / channels**0.5)
        self.to_qkv = nn.Linear(channels, 3 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return vectors (B, C) of maps x (B, C, H, W)."""
        count, channels, *_ = x.shape
        places = x.flatten(2)
        places = torch.cat([places.mean(2, keepdim=True), places], dim=2) + self.positions
        q, k, v = self.to_qkv(places.transpose(1, 2)).view(count, -1, 3, self.heads, channels // self.heads).unbind(2)
        first, k, v = q[:, :1].transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        return attend(first, k, v).reshape(count, channels)


class UNetEncoder(nn.Module):
    """Map images (B, C, S, S) at times (B,) to numbers (B, outputs).

    The defaults are guided diffusion's classifier for ImageNet at 64.

    Args:
        shape: (C, S, S) of the input.
        outputs: numbers per image.
        width: see `UNet`, as all that follow.
        multipliers: of the width, at each resolution from the full one down.
        blocks: residual blocks at each resolution.
        attention: resolutions that have self-attention, as sides in pixels.
        head_channels: channels of each head, also of the pooling.
        dropout: probability in the residual blocks.
        time: features of the time.
        time_scale: what t = 1 is scaled to before the sinusoids.
        time_width: number of time features; None for `width`.
        adaptive: how blocks are conditioned on the embedding.
        padding: of the strided convolutions, if there are any.
        resampling: "residual" or "convolution".
        groups: of each GroupNorm.
        norm_eps: epsilon of each GroupNorm.

    Raises:
        ValueError: the shape is not that of square images of a suitable side, or a setting is none of its choices.
    """

    def __init__(
        self,
        shape: Sequence[int],
        *,
        outputs: int = 1,
        width: int = 128,
        multipliers: Sequence[float] = (1, 2, 3, 4),
        blocks: int = 4,
        attention: Sequence[int] = (32, 16, 8),
        head_channels: int = 64,
        dropout: float = 0.0,
        time: TimeFeatures = "sinusoids_openai",
        time_scale: float = 1000.0,
        time_width: int | None = None,
        adaptive: bool = True,
        padding: Padding = "openai",
        resampling: Resampling = "residual",
        groups: int | None = None,
        norm_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        channels_in, height, side = shape
        maps = maps_of(width, multipliers, height, side)
        features = time_width or width
        embedding, norm, lowest = 4 * features, Norm(groups, norm_eps), side // 2 ** (len(maps) - 1)
        attends = Attends(attention, head_channels=head_channels)
        levels = Levels(maps, blocks, attends, embedding, dropout, adaptive, padding, resampling, norm)
        self.embed_time = embed_time(time, features, embedding, time_scale)
        self.from_image = nn.Conv2d(channels_in, width, 3, padding=1)
        self.down, _ = levels.down(width, side)
        self.middle = levels.middle()
        self.feature_dim = maps[-1]
        self.to_features = nn.Sequential(
            norm(self.feature_dim), nn.SiLU(), AttentionPool(self.feature_dim, lowest, head_channels)
        )
        self.to_outputs = nn.Linear(self.feature_dim, outputs)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Return numbers (B, outputs) for images (B, C, S, S) and times (B,) in [0, 1]."""
        found: Tensor = self.to_outputs(self.features(x, t))
        return found

    def features(self, x: Tensor, t: Tensor) -> Tensor:
        """Return the vectors (B, D) of which `forward` takes a linear map."""
        given = Given(self.embed_time(t))
        x = self.from_image(x)
        for level in self.down:
            x = level(x, given)
        found: Tensor = self.to_features(self.middle(x, given))
        return found
