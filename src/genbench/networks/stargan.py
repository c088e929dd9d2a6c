"""The networks of StarGAN (Choi et al. 2018, appendix, tables 4 and 5).

Example:
    >>> StarGANGenerator(image_shape=(3, 32, 32), domains=5)(torch.randn(2, 3, 32, 32), torch.eye(5)[:2]).shape
    torch.Size([2, 3, 32, 32])
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genbench.networks.normalisation import InstanceNorm


class _Residual(nn.Module):
    """Two convolutions, added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            InstanceNorm(channels, affine=True),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            InstanceNorm(channels, affine=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return x plus the residual."""
        residual: Tensor = self.layers(x)
        return x + residual


class StarGANGenerator(nn.Module):
    """Map images and target domains to images: two halvings, residual blocks, two doublings.

    A domain is repeated over all pixels as further channels of the image. Padding is with zeros: with reflections the
    maps of a constant channel would be constant, and instance norm would take them away. Instance norm is by the
    statistics of the image itself, in training and in sampling; the authors' code keeps running ones and never uses
    them.

    Args:
        image_shape: (C, S, S) of the images; S is a multiple of 4, at least 8.
        domains: numbers of a domain's vector: one for each class or attribute.
        width: channels of the outermost maps.
        blocks: residual blocks.

    Raises:
        ValueError: the side is no such number.
    """

    def __init__(self, image_shape: Sequence[int], domains: int, width: int = 64, blocks: int = 6) -> None:
        super().__init__()
        channels, side, _ = image_shape
        if side % 4 or side < 8:
            raise ValueError(f"this generator takes images whose side is a multiple of 4, at least 8, not {side}")
        layers: list[nn.Module] = [
            nn.Conv2d(channels + domains, width, 7, padding=3, bias=False),
            InstanceNorm(width, affine=True),
            nn.ReLU(),
        ]
        for maps in (width, 2 * width):
            layers += [
                nn.Conv2d(maps, 2 * maps, 4, stride=2, padding=1, bias=False),
                InstanceNorm(2 * maps, affine=True),
                nn.ReLU(),
            ]
        layers += [_Residual(4 * width) for _ in range(blocks)]
        for maps in (4 * width, 2 * width):
            layers += [
                nn.ConvTranspose2d(maps, maps // 2, 4, stride=2, padding=1, bias=False),
                InstanceNorm(maps // 2, affine=True),
                nn.ReLU(),
            ]
        layers += [nn.Conv2d(width, channels, 7, padding=3, bias=False), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, domain: Tensor) -> Tensor:
        """Return translations, in [-1, 1], of images (B, C, S, S) into domains (B, K)."""
        image: Tensor = self.layers(torch.cat([x, domain[:, :, None, None].expand(-1, -1, *x.shape[2:]).to(x)], dim=1))
        return image


class StarGANDiscriminator(nn.Module):
    """Map images (B, C, S, S) to a map of outputs, one for each patch, and to logits of their domains.

    Args:
        image_shape: (C, S, S); S is at least 2^layers.
        domains: K.
        width: channels of the first map.
        layers: halvings, each of which doubles the channels.

    Raises:
        ValueError: the images are smaller.
    """

    def __init__(self, image_shape: Sequence[int], domains: int, width: int = 64, layers: int = 6) -> None:
        super().__init__()
        channels, side, _ = image_shape
        if side < 2**layers:
            raise ValueError(
                f"a discriminator of {layers} halvings takes images of at least {2**layers} pixels a side, not {side}: "
                "set network.discriminator.layers"
            )
        maps = [channels, *(width * 2**layer for layer in range(layers))]
        blocks: list[nn.Module] = []
        for before, after in itertools.pairwise(maps):
            blocks += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.01)]
        self.blocks = nn.Sequential(*blocks)
        self.to_output = nn.Conv2d(maps[-1], 1, 3, padding=1, bias=False)
        self.to_domain = nn.Conv2d(maps[-1], domains, side // 2**layers, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs (B, 1, S', S') of patches, and logits (B, K) of the domains."""
        features = self.blocks(x)
        return self.to_output(features), self.to_domain(features).flatten(1)
