"""What adversarial methods share whose generator maps latents z ~ N(0, I) to images."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genbench.methods.adversarial import AdversarialMethod
from genbench.randomness import Noise


class LatentGAN(AdversarialMethod):
    """An adversarial method without a condition.

    Args:
        generator: builds the generator from `latent_dim` and `image_shape`.
        discriminator: builds the discriminator from `image_shape`; it returns one number an image (B,).
        image_shape: (C, H, W) of the data.
        latent_dim: length of z.
        generator_optimizer: maps parameters to an optimizer.
        discriminator_optimizer: maps parameters to an optimizer.
        discriminator_steps: k, the discriminator's steps to one of the generator.
        ema_decay: weight of the past in the generator's average.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        generator: Callable[..., nn.Module],
        discriminator: Callable[..., nn.Module],
        image_shape: Sequence[int],
        *,
        latent_dim: int = 100,
        generator_optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        discriminator_optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        discriminator_steps: int = 1,
        ema_decay: float = 0.999,
    ) -> None:
        if latent_dim < 1:
            raise ValueError(f"latent_dim must be at least 1, not {latent_dim}")
        super().__init__(
            generator(latent_dim=latent_dim, image_shape=image_shape),
            discriminator(image_shape=image_shape),
            generator_optimizer=generator_optimizer,
            discriminator_optimizer=discriminator_optimizer,
            discriminator_steps=discriminator_steps,
            ema_decay=ema_decay,
        )
        self.latent_dim = latent_dim

    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return `count` images from the averaged generator; an unconditional method has no use for a condition."""
        return self.decode(noise.normal(count, self.latent_dim).to(self.device), condition)

    def decode(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the averaged generator's images of latents `z`, (B, latent_dim)."""
        if condition is not None:
            raise ValueError("this GAN is unconditional: it can't be asked for a condition")
        images: Tensor = self.average(z)
        return images

    def draw_latents(self, count: int) -> Tensor:
        """Return fresh latents (count, latent_dim) for a training step."""
        return torch.randn(count, self.latent_dim, device=self.device)
