"""Fully connected generator and discriminator, as in the first GAN (Goodfellow et al. 2014).

Example:
    >>> generator = MLPGenerator(latent_dim=64, image_shape=(1, 28, 28))
    >>> generator(torch.randn(16, 64)).shape
    torch.Size([16, 1, 28, 28])
"""

import math
from collections.abc import Sequence

from torch import Tensor, nn


class MLPGenerator(nn.Module):
    """Map latents (B, latent_dim) to images (B, C, H, W) in [-1, 1] through ReLU layers and a tanh.

    Args:
        latent_dim: length of a latent vector.
        image_shape: (C, H, W) of an image.
        hidden: widths of the hidden layers, from the latent on.
    """

    def __init__(self, latent_dim: int, image_shape: Sequence[int], hidden: Sequence[int] = (256, 512)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width_in, width_out in zip([latent_dim, *hidden], hidden, strict=False):
            layers += [nn.Linear(width_in, width_out), nn.ReLU()]
        last_width = hidden[-1] if hidden else latent_dim
        layers += [nn.Linear(last_width, math.prod(image_shape)), nn.Tanh(), nn.Unflatten(1, tuple(image_shape))]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Return the images of latents `z`."""
        return self.layers(z)


class MLPDiscriminator(nn.Module):
    """Map images (B, C, H, W) to logits (B,) through leaky ReLU layers.

    Args:
        image_shape: (C, H, W) of an image.
        hidden: widths of the hidden layers, from the image on.
    """

    def __init__(self, image_shape: Sequence[int], hidden: Sequence[int] = (512, 256)) -> None:
        super().__init__()
        widths = [math.prod(image_shape), *hidden]
        layers: list[nn.Module] = [nn.Flatten()]
        for width_in, width_out in zip(widths, hidden, strict=False):
            layers += [nn.Linear(width_in, width_out), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*layers)
        self.to_logit = nn.Sequential(nn.Linear(widths[-1], 1), nn.Flatten(0))

    def forward(self, images: Tensor) -> Tensor:
        """Return one logit for each image."""
        return self.to_logit(self.features(images))
