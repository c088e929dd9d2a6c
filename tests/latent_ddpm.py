"""A diffusion model of the latents of a frozen autoencoder, the smallest of two stages."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from genbench.abilities import Autoencodes
from genbench.medium import Medium, Points
from genbench.methods.denoising.ddpm import DDPM
from genbench.parts import Frozen


class LatentDDPM(DDPM):
    """DDPM of latents, each as a set of one point.

    Args:
        denoiser: builds the network.
        medium: what a sample is.
        first_stage: maps images to latents and back.
        settings: those of `DDPM`.
    """

    def __init__(
        self, denoiser: Callable[..., nn.Module], medium: Medium, *, first_stage: Frozen[Autoencodes], **settings: Any
    ) -> None:
        if first_stage.medium.shape != medium.shape or first_stage.condition is not None:
            raise ValueError("parts.first_stage must be an unconditional autoencoder of images of this shape")
        super().__init__(denoiser, medium, space=Points((1, first_stage.latent_shape[0])), **settings)
        self.first_stage = first_stage

    def to_space(self, x: Tensor) -> Tensor:
        """Return latents (B, 1, D) of images."""
        return self.first_stage.encode(x)[:, None].detach()

    def from_space(self, x_0: Tensor) -> Tensor:
        """Return images of latents (B, 1, D)."""
        return self.first_stage.decode(x_0[:, 0])
