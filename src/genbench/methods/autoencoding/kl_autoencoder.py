"""The autoencoder of latent diffusion, with a slight pull of latents to a normal distribution.

Rombach et al. 2022 (https://arxiv.org/abs/2112.10752, appendix G): a variational autoencoder whose KL divergence has so
small a weight that it keeps latents from growing and does nothing else. Images are reconstructed as `first_stage` says;

    L_KL = weight KL(q(z | x) || N(0, I)),   summed over latents, beside distances that are summed over pixels

Latents of the prior show nothing: a diffusion model draws them, `latent_diffusion`.

Example:
    python -m genbench experiment=kl_autoencoder_scenes
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genbench.clamping import clamp_with_gradient
from genbench.diffusion.likelihood import gaussian_kl
from genbench.methods.autoencoding.first_stage import FirstStage
from genbench.networks.map_autoencoder import MapAutoencoder

_LOG_VARIANCES = (-30.0, 20.0)
"""Bounds of the log variances of latents."""


class KLAutoencoder(FirstStage):
    """An autoencoder whose latents are Gaussian, with a small deviation.

    Args:
        autoencoder: builds the network from `image_shape` and `moments`.
        discriminator: see `FirstStage`.
        image_shape: see `FirstStage`.
        kl_weight: of the KL divergence.
        discriminator_weight: see `FirstStage`.
        settings: those of `FirstStage`.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        autoencoder: Callable[..., MapAutoencoder],
        discriminator: Callable[..., nn.Module],
        image_shape: Sequence[int],
        *,
        kl_weight: float = 1e-6,
        discriminator_weight: float = 0.5,
        **settings: Any,
    ) -> None:
        if kl_weight < 0:
            raise ValueError(f"kl_weight must be at least 0, not {kl_weight}")
        super().__init__(
            autoencoder(image_shape=image_shape, moments=2),
            discriminator,
            image_shape,
            discriminator_weight=discriminator_weight,
            **settings,
        )
        self.kl_weight = kl_weight

    @property
    def scale(self) -> float:
        """The numbers of an image: distances are summed over them, as the divergence is over latents."""
        channels, height, width = self.medium.shape
        return float(channels * height * width)

    def reconstruct(self, x: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return reconstructions of one draw of each image's latents, the weighed divergence, and the latents' size."""
        mean, log_variance = self.moments(self.autoencoder, x)
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        zero = torch.zeros_like(mean)
        divergence = gaussian_kl(mean, log_variance, zero, zero).flatten(1).sum(1).mean()
        figures = {"loss/kl": divergence}
        if self.measures:
            figures |= {"latents/std": z.std(), "latents/posterior_std": (log_variance / 2).exp().mean()}
        return self.autoencoder.decode(z), self.kl_weight * divergence, figures

    def moments(self, network: MapAutoencoder, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and log variances of the latents of images, (B, *latent_shape) each, float32."""
        mean, log_variance = network.encode(x).float().chunk(2, dim=1)
        return mean, log_variance.clamp(*_LOG_VARIANCES)

    def encode(self, x: Tensor, *, draw: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Return latents (B, *latent_shape) of images (B, C, S, S): drawn, or their means, see `Autoencodes`."""
        mean, log_variance = self.moments(self._averaged, x.to(self.device))
        return mean if draw is None else mean + (log_variance / 2).exp() * draw(mean)

    def decode(self, z: Tensor) -> Tensor:
        """Return images (B, C, S, S) in [-1, 1] of latents (B, *latent_shape)."""
        return clamp_with_gradient(self._averaged.decode(z), -1, 1)
