"""Residual generator and critic of WGAN-GP (Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028, appendices C, F).

The side is halved (or doubled) until it is 4: 32 pixels take three residual blocks, 64 take four. The generator has
BatchNorm. The critic has no normalisation: the gradient penalty needs an output for each image that does not depend on
the rest of the batch.

Example:
    >>> ResNetGenerator(latent_dim=128, image_shape=(3, 32, 32))(torch.randn(16, 128)).shape
    torch.Size([16, 3, 32, 32])
"""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

Resample = Literal["up", "down", "none"]

_START = 4


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a 1x1 shortcut, optionally resampling.

    Args:
        channels_in: of the input.
        channels_out: of the output.
        resample: whether the side is doubled, halved by mean pooling, or kept.
        batch_norm: whether BatchNorm precedes each ReLU.
    """

    def __init__(self, channels_in: int, channels_out: int, resample: Resample, *, batch_norm: bool) -> None:
        super().__init__()
        self.resample = resample
        self.before = nn.Sequential(nn.BatchNorm2d(channels_in) if batch_norm else nn.Identity(), nn.ReLU())
        self.first = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.between = nn.Sequential(nn.BatchNorm2d(channels_out) if batch_norm else nn.Identity(), nn.ReLU())
        self.second = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        same = channels_in == channels_out and resample == "none"
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1)
        for convolution in (self.first, self.second):
            nn.init.kaiming_uniform_(convolution.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        hidden = self.before(x)
        if self.resample == "up":
            x, hidden = (interpolate(part, scale_factor=2, mode="nearest") for part in (x, hidden))
        hidden = self.second(self.between(self.first(hidden)))
        out: Tensor = hidden + self.shortcut(x)
        return avg_pool2d(out, 2) if self.resample == "down" else out


class ResNetGenerator(nn.Module):
    """Map latents (B, latent_dim) to images (B, C, S, S) in [-1, 1].

    Args:
        latent_dim: length of a latent vector.
        image_shape: (C, S, S), S = 4 times a power of two, at least 8.
        width: channels of all maps; 128 in the paper's network for CIFAR-10.

    Raises:
        ValueError: S does not suit.
    """

    def __init__(self, latent_dim: int, image_shape: Sequence[int], width: int = 128) -> None:
        super().__init__()
        doublings = _doublings(image_shape)
        self.project = nn.Sequential(
            nn.Linear(latent_dim, _START * _START * width), nn.Unflatten(1, (width, _START, _START))
        )
        blocks = [ResidualBlock(width, width, "up", batch_norm=True) for _ in range(doublings)]
        self.blocks = nn.Sequential(*blocks)
        self.to_image = nn.Sequential(
            nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, image_shape[0], 3, padding=1), nn.Tanh()
        )

    def forward(self, z: Tensor) -> Tensor:
        """Return the images of latents `z`."""
        images: Tensor = self.to_image(self.blocks(self.project(z)))
        return images


class ResNetCritic(nn.Module):
    """Map images (B, C, S, S) to scores (B,).

    Two blocks halve the side, from 32 pixels to 8, two more keep it, and a linear layer scores the spatial mean.

    Args:
        image_shape: (C, S, S), S = 4 times a power of two, at least 8.
        width: channels of all maps; 128 in the paper's network for CIFAR-10.

    Raises:
        ValueError: S does not suit.
    """

    def __init__(self, image_shape: Sequence[int], width: int = 128) -> None:
        super().__init__()
        halvings = max(1, _doublings(image_shape) - 1)
        from_image = nn.Conv2d(image_shape[0], width, 3, padding=1)
        down = [ResidualBlock(width, width, "down", batch_norm=False) for _ in range(halvings)]
        same = [ResidualBlock(width, width, "none", batch_norm=False) for _ in range(2)]
        self.features = nn.Sequential(from_image, *down, *same, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.to_logit = nn.Sequential(nn.Linear(width, 1), nn.Flatten(0))

    def forward(self, images: Tensor) -> Tensor:
        """Return one score for each image."""
        scores: Tensor = self.to_logit(self.features(images))
        return scores


def _doublings(image_shape: Sequence[int]) -> int:
    """Return how many doublings lead from 4 pixels to the side."""
    _, height, width = image_shape
    count = (height // _START).bit_length() - 1
    if height != width or height != _START * 2**count or count < 1:
        raise ValueError(
            f"this ResNet takes square images of 8, 16, 32, 64, ... pixels, not {height} x {width}: set data.size"
        )
    return count
