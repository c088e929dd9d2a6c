"""Residual generator and critic of WGAN-GP for 64 pixels (Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028, F).

Channels double with each halving, from `width` up to eight times as many: 512, 256, 128, 64 in the generator for 64
pixels, whose projection and first block have 512. The critic is its mirror image, with LayerNorm, and a linear layer on
all places of the 4 x 4 map.

Example:
    >>> DoublingResNetGenerator(latent_dim=128, image_shape=(3, 64, 64))(torch.randn(16, 128)).shape
    torch.Size([16, 3, 64, 64])
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from genbench.networks.initialisation import initialise_glorot
from genbench.networks.resnet import START, ResidualBlock, doublings_to

_MOST = 8


class DoublingResNetGenerator(nn.Module):
    """Map latents (B, latent_dim) to images (B, C, S, S) in [-1, 1].

    Args:
        latent_dim: length of a latent vector.
        image_shape: (C, S, S), S = 4 times a power of two, at least 8.
        width: channels of the map of S pixels; 64 in the paper.

    Raises:
        ValueError: S does not suit.
    """

    def __init__(self, latent_dim: int, image_shape: Sequence[int], width: int = 64) -> None:
        super().__init__()
        widths = _widths(image_shape, width)[::-1]
        self.project = nn.Sequential(
            nn.Linear(latent_dim, START * START * widths[0]), nn.Unflatten(1, (widths[0], START, START))
        )
        blocks = [ResidualBlock(a, b, "up", norm="batch", first_bias=False) for a, b in pairwise(widths)]
        self.blocks = nn.Sequential(*blocks)
        to_pixels = nn.Conv2d(width, image_shape[0], 3, padding=1)
        self.to_image = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), to_pixels, nn.Tanh())
        self.project.apply(initialise_glorot)
        initialise_glorot(to_pixels, before_relu=True)

    def forward(self, z: Tensor) -> Tensor:
        """Return the images of latents `z`."""
        images: Tensor = self.to_image(self.blocks(self.project(z)))
        return images


class DoublingResNetCritic(nn.Module):
    """Map images (B, C, S, S) to scores (B,).

    Args:
        image_shape: (C, S, S), S = 4 times a power of two, at least 8.
        width: channels of the map of S pixels; 64 in the paper.

    Raises:
        ValueError: S does not suit.
    """

    def __init__(self, image_shape: Sequence[int], width: int = 64) -> None:
        super().__init__()
        widths = _widths(image_shape, width)
        from_image = nn.Conv2d(image_shape[0], width, 3, padding=1)
        blocks = [ResidualBlock(a, b, "down", norm="layer", first_bias=False) for a, b in pairwise(widths)]
        self.features = nn.Sequential(from_image, *blocks, nn.Flatten())
        self.to_logit = nn.Sequential(nn.Linear(widths[-1] * START * START, 1), nn.Flatten(0))
        for part in (from_image, self.to_logit):
            part.apply(initialise_glorot)

    def forward(self, images: Tensor) -> Tensor:
        """Return one score for each image."""
        scores: Tensor = self.to_logit(self.features(images))
        return scores


def _widths(image_shape: Sequence[int], width: int) -> list[int]:
    """Return the channels at each side, from S down to 4."""
    return [width * min(2**level, _MOST) for level in range(doublings_to(image_shape) + 1)]
