"""A convolutional encoder and decoder with a latent vector between them.

The image is halved by strided convolutions until its side is odd or 4, and doubled again the same way; channels double
with each halving.

Example:
    >>> network = Autoencoder((1, 16, 16), latent_dim=32)
    >>> mean, log_variance = network.encode(torch.randn(8, 1, 16, 16))
    >>> network.decode(mean).shape
    torch.Size([8, 1, 16, 16])
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genbench.conditions.base import Condition
from genbench.networks.conditioning import plain_length, plain_vector
from genbench.networks.normalisation import GroupNorm


class Autoencoder(nn.Module):
    """Map images to a Gaussian over latents, and latents to images.

    Args:
        image_shape: (C, S, S), S even and at least 8.
        latent_dim: length of a latent.
        condition: what encoder and decoder are conditioned on, as a vector; None for unconditional.
        outputs: images that a latent is decoded to, such as 2 for mean and scale.
        width: channels of the first feature map.

    Raises:
        ValueError: the images are not square, or S is odd or less than 8.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int,
        condition: Condition | None = None,
        *,
        outputs: int = 1,
        width: int = 32,
    ) -> None:
        super().__init__()
        channels_in, height, side = image_shape
        if height != side or side < 8 or side % 2:
            raise ValueError(
                f"the autoencoder takes square images of an even side of at least 8, not {height} x {side}"
            )
        more = 0 if condition is None else plain_length(condition.form)
        self.condition = condition
        channels = width
        down: list[nn.Module] = [nn.Conv2d(channels_in + more, channels, 3, padding=1), nn.SiLU()]
        up: list[nn.Module] = [nn.Conv2d(channels, outputs * channels_in, 3, padding=1)]
        while side % 2 == 0 and side > 4:
            down += [nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1), _norm(2 * channels), nn.SiLU()]
            up = [nn.ConvTranspose2d(2 * channels, channels, 4, stride=2, padding=1), _norm(channels), nn.SiLU(), *up]
            channels, side = 2 * channels, side // 2
        places = channels * side**2
        self.to_latent = nn.Sequential(*down, nn.Flatten(), nn.Linear(places, 2 * latent_dim))
        self.to_image = nn.Sequential(
            nn.Linear(latent_dim + more, places), nn.SiLU(), nn.Unflatten(1, (channels, side, side)), *up
        )

    def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return means and log variances (B, latent_dim) of images (B, C, S, S) and rows of the condition."""
        if self.condition is not None:
            planes = self._vector(y, x)[:, :, None, None].expand(-1, -1, *x.shape[2:])
            x = torch.cat([x, planes], dim=1)
        mean, log_variance = self.to_latent(x).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return images (B, outputs * C, S, S) of latents (B, latent_dim) and rows of the condition."""
        if self.condition is not None:
            z = torch.cat([z, self._vector(y, z)], dim=1)
        images: Tensor = self.to_image(z)
        return images

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return reconstructions: the decoded means of the latents."""
        return self.decode(self.encode(x, y)[0], y)

    def _vector(self, y: Tensor | None, like: Tensor) -> Tensor:
        if y is None:
            raise ValueError("this autoencoder is conditional: its condition is missing")
        assert self.condition is not None
        return plain_vector(self.condition.form, y).to(like)


def _norm(channels: int) -> GroupNorm:
    return GroupNorm(min(8, channels // 2), channels)
