"""Base of adversarial methods whose generator maps latents z ~ N(0, I) to images."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genbench.batch import Batch
from genbench.medium import Images
from genbench.methods.adversarial.base import AdversarialMethod
from genbench.methods.adversarial.diff_augment import Augmentation, DiffAugment
from genbench.networks.normalisation import has_batch_norm
from genbench.randomness import Noise


class LatentGAN(AdversarialMethod):
    """An unconditional adversarial method.

    Args:
        generator: builds the generator from `latent_dim` and `image_shape`.
        discriminator: builds the discriminator from `image_shape`; it returns one output per image (B,).
        image_shape: (C, H, W) of the data.
        latent_dim: length of z.
        augment: how all of the discriminator's inputs are augmented, see `diff_augment`; penalties on its gradient are
            of the gradient with respect to the images before that, as in the authors' code: of D(T(x)) in x.
        joint_pass: whether the discriminator gets real and generated images in one pass instead of two: faster on a
            GPU, and the same up to rounding.
        settings: those of `AdversarialMethod`.

    Raises:
        ValueError: an argument is out of range, or a joint pass is used with BatchNorm, whose statistics would mix the
            two.
    """

    def __init__(
        self,
        generator: Callable[..., nn.Module],
        discriminator: Callable[..., nn.Module],
        image_shape: Sequence[int],
        *,
        latent_dim: int = 100,
        augment: Sequence[Augmentation] = (),
        joint_pass: bool = False,
        **settings: Any,
    ) -> None:
        if latent_dim < 1:
            raise ValueError(f"latent_dim must be at least 1, not {latent_dim}")
        super().__init__(
            generator(latent_dim=latent_dim, image_shape=image_shape),
            discriminator(image_shape=image_shape),
            **settings,
        )
        if joint_pass and has_batch_norm(self.discriminator):
            raise ValueError("joint_pass takes a discriminator without BatchNorm: set network.discriminator.norm=none")
        self.medium = Images(image_shape)
        self.latent_dim = latent_dim
        self.augment = DiffAugment(augment)
        self.joint_pass = joint_pass

    def generate(self, batch: Batch) -> Tensor:
        """Return generated images from fresh latents, as many as the batch has."""
        images: Tensor = self.generator(self.draw_latents(len(batch.x)))
        return images

    def discriminate(self, images: Tensor, batch: Batch) -> Tensor:
        """Return D of images after their augmentation, (B,), before its sigmoid."""
        outputs: Tensor = self.discriminator(self.augment(images))
        return outputs

    def discriminate_both(self, x: Tensor, x_fake: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return D of real and of generated images, under the same condition if there is one."""
        if not self.joint_pass:
            return self.discriminate(x, batch), self.discriminate(x_fake, batch)
        y = batch.condition
        twice = Batch(batch.x, None if y is None else torch.cat([y, y]))
        real, fake = self.discriminate(torch.cat([x, x_fake]), twice).chunk(2)
        return real, fake

    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return `count` images from the averaged generator; an unconditional method takes no condition."""
        return self.decode(noise.normal(count, self.latent_dim).to(self.device), condition)

    def decode(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the averaged generator's images of latents `z`, (B, latent_dim).

        Raises:
            ValueError: a condition is given to an unconditional method.
        """
        self.check_condition(condition, len(z))
        images: Tensor = self.average(z)
        return images

    def draw_latents(self, count: int) -> Tensor:
        """Return fresh latents (count, latent_dim) for a training step."""
        return torch.randn(count, self.latent_dim, device=self.device)
