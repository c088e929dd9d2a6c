"""The conditional GAN (Mirza and Osindero 2014, https://arxiv.org/abs/1411.1784): draw the class that is asked for.

Both players are told the class y: it joins the generator's noise, and the discriminator's image.

    min_G max_D  E[log D(x, y)] + E[log(1 - D(G(z, y), y))]

Example:
    python -m genbench experiment=cgan_mnist data.root=~/data
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genbench.losses import cross_entropy_discriminator_loss, non_saturating_generator_loss
from genbench.methods.adversarial import AdversarialMethod, Turn
from genbench.randomness import Noise


class ClassGenerator(nn.Module):
    """A generator whose latent is z with the embedding of the class behind it.

    Args:
        generator: builds it from `latent_dim` and `image_shape`.
        latent_dim: length of z.
        image_shape: (C, H, W).
        num_classes: how many classes.
        embedding_dim: length of a class's embedding.
    """

    def __init__(
        self,
        generator: Callable[..., nn.Module],
        latent_dim: int,
        image_shape: Sequence[int],
        num_classes: int,
        embedding_dim: int,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_classes, embedding_dim)
        self.network = generator(latent_dim=latent_dim + embedding_dim, image_shape=image_shape)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Return images of latents (B, latent_dim) and classes (B,)."""
        images: Tensor = self.network(torch.cat([z, self.embedding(y)], dim=1))
        return images


class ClassDiscriminator(nn.Module):
    """A discriminator that sees the class as one more channel: a map that is learnt for each class.

    Args:
        discriminator: builds it from `image_shape`.
        image_shape: (C, H, W) of the images.
        num_classes: how many classes.
    """

    def __init__(self, discriminator: Callable[..., nn.Module], image_shape: Sequence[int], num_classes: int) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.embedding = nn.Embedding(num_classes, height * width)
        self.network = discriminator(image_shape=(channels + 1, height, width))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return logits (B,) of images (B, C, H, W) and their classes (B,)."""
        class_map = self.embedding(y).view(-1, 1, *x.shape[-2:])
        logits: Tensor = self.network(torch.cat([x, class_map], dim=1))
        return logits


class ConditionalGAN(AdversarialMethod):
    """A non-saturating GAN of classes.

    Args:
        generator: builds the generator from `latent_dim` and `image_shape`.
        discriminator: builds the discriminator from `image_shape`; it returns logits (B,).
        image_shape: (C, H, W) of the data.
        num_classes: how many classes the data has.
        latent_dim: length of z.
        embedding_dim: length of a class's embedding beside z.
        settings: those of `AdversarialMethod`.

    Raises:
        ValueError: an argument is out of range, or the data has no classes.
    """

    is_conditional = True

    def __init__(
        self,
        generator: Callable[..., nn.Module],
        discriminator: Callable[..., nn.Module],
        image_shape: Sequence[int],
        num_classes: int | None,
        *,
        latent_dim: int = 100,
        embedding_dim: int = 50,
        **settings: Any,
    ) -> None:
        if num_classes is None:
            raise ValueError("a conditional GAN takes data with classes, such as data=mnist")
        for name, value in (("latent_dim", latent_dim), ("embedding_dim", embedding_dim)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        super().__init__(
            ClassGenerator(generator, latent_dim, image_shape, num_classes, embedding_dim),
            ClassDiscriminator(discriminator, image_shape, num_classes),
            **settings,
        )
        self.latent_dim = latent_dim
        self.num_classes = num_classes

    def discriminator_loss(self, batch: tuple[Tensor, Tensor]) -> Turn:
        """-E[log D(x, y)] - E[log(1 - D(G(z, y), y))], the generated images of the real ones' classes."""
        x, y = batch
        with torch.no_grad():
            x_fake = self.generator(self._draw_latents(len(x)), y)
        real_logits, fake_logits = self.discriminator(x, y), self.discriminator(x_fake, y)
        loss = cross_entropy_discriminator_loss(real_logits, fake_logits)
        return loss, {
            "adversary/d_real": real_logits.sigmoid().mean(),
            "adversary/d_fake": fake_logits.sigmoid().mean(),
        }

    def generator_loss(self, batch: tuple[Tensor, Tensor]) -> Turn:
        """-E[log D(G(z, y), y)], on fresh latents."""
        x, y = batch
        fake_logits = self.discriminator(self.generator(self._draw_latents(len(x)), y), y)
        return non_saturating_generator_loss(fake_logits), {"adversary/d_fake_generator": fake_logits.sigmoid().mean()}

    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images of the classes `condition`, (count,), from the averaged generator.

        Raises:
            ValueError: there is no condition, or it names a class that the data does not have.
        """
        if condition is None:
            raise ValueError("this GAN is conditional: it must be told which classes to draw")
        if len(condition) != count or condition.min() < 0 or condition.max() >= self.num_classes:
            raise ValueError(f"the condition must be {count} classes from 0 to {self.num_classes - 1}")
        z = noise.normal(count, self.latent_dim).to(self.device)
        images: Tensor = self.average(z, condition.to(self.device))
        return images

    def _draw_latents(self, count: int) -> Tensor:
        return torch.randn(count, self.latent_dim, device=self.device)
