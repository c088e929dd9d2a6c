"""The class-conditional GAN (Mirza and Osindero 2014, https://arxiv.org/abs/1411.1784).

Both networks are conditioned on the class y: its embedding is concatenated to the generator's latent, and to the
discriminator's image as a channel.

    min_G max_D  E[log D(x, y)] + E[log(1 - D(G(z, y), y))]

Example:
    python -m genbench experiment=cgan_mnist data.root=~/data
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.conditions.choosing import expect
from genbench.conditions.classes import Classes
from genbench.methods.adversarial.gan import GAN
from genbench.randomness import Noise

Joining = Literal["concatenation", "projection"]


class ClassGenerator(nn.Module):
    """A generator whose input is z concatenated with the embedding of the class.

    Embeddings are initialised small compared to z. If they are as large as z, they dominate the first steps, the first
    BatchNorm scales away the contribution of z, and the generator collapses to one image per class.

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
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.network = generator(latent_dim=latent_dim + embedding_dim, image_shape=image_shape)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Return images of latents (B, latent_dim) and classes (B,)."""
        images: Tensor = self.network(torch.cat([z, self.embedding(y)], dim=1))
        return images


class ClassDiscriminator(nn.Module):
    """A discriminator that gets the class as an additional channel: a learnt map for each class.

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


class ProjectionDiscriminator(nn.Module):
    """A discriminator whose output is psi(phi(x)) + <V(y), phi(x)> (Miyato and Koyama 2018, equation 11).

    phi are the features before the last layer, psi is that layer and V(y) the embedding of the class.

    Args:
        discriminator: builds it from `image_shape`; it has `features` and, on top of them, `to_logit`.
        image_shape: (C, H, W) of the images.
        num_classes: how many classes.
    """

    def __init__(self, discriminator: Callable[..., nn.Module], image_shape: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.network = discriminator(image_shape=image_shape)
        if not (hasattr(self.network, "features") and hasattr(self.network, "to_logit")):
            raise ValueError(
                f"joining=projection takes a discriminator with features and to_logit, such as dcgan, mlp and resnet, "
                f"not {type(self.network).__name__}"
            )
        with torch.no_grad():
            self.network.eval()
            feature_count = self._features(torch.zeros(1, *image_shape)).numel()
            self.network.train()
        self.embedding = nn.Embedding(num_classes, feature_count)
        # As small as DCGAN's layers: with normal(0, 1) thousands of features would dominate psi.
        nn.init.normal_(self.embedding.weight, std=0.02)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return logits (B,) of images (B, C, H, W) and their classes (B,)."""
        features = self._features(x)
        to_logit: nn.Module = self.network.to_logit  # type: ignore[assignment]
        logits: Tensor = to_logit(features)
        return logits + (self.embedding(y) * features.flatten(1)).sum(1)

    def _features(self, x: Tensor) -> Tensor:
        features: nn.Module = self.network.features  # type: ignore[assignment]
        found: Tensor = features(x)
        return found


_JOININGS = {"concatenation": ClassDiscriminator, "projection": ProjectionDiscriminator}


class ConditionalGAN(GAN):
    """A class-conditional GAN.

    Args:
        generator: builds the generator from `latent_dim` and `image_shape`.
        discriminator: builds the discriminator from `image_shape`; D before its sigmoid, (B,).
        image_shape: (C, H, W) of the data.
        condition: the classes of the data.
        latent_dim: length of z.
        embedding_dim: length of a class's embedding in the generator.
        joining: how the discriminator is conditioned on the class: "concatenation" to the image, or "projection".
        settings: those of `GAN`.

    Raises:
        ValueError: an argument is out of range, or the data has no classes.
    """

    def __init__(
        self,
        generator: Callable[..., nn.Module],
        discriminator: Callable[..., nn.Module],
        image_shape: Sequence[int],
        condition: Condition | None,
        *,
        latent_dim: int = 100,
        embedding_dim: int = 50,
        joining: Joining = "concatenation",
        **settings: Any,
    ) -> None:
        classes = expect(condition, Classes, "a conditional GAN takes data with classes, such as data=mnist")
        if embedding_dim < 1:
            raise ValueError(f"embedding_dim must be at least 1, not {embedding_dim}")
        if joining not in _JOININGS:
            raise ValueError(f"joining must be one of {', '.join(_JOININGS)}, not {joining!r}")

        num_classes = len(classes.names)

        def class_generator(latent_dim: int, image_shape: Sequence[int]) -> nn.Module:
            return ClassGenerator(generator, latent_dim, image_shape, num_classes, embedding_dim)

        def class_discriminator(image_shape: Sequence[int]) -> nn.Module:
            return _JOININGS[joining](discriminator, image_shape, num_classes)

        super().__init__(class_generator, class_discriminator, image_shape, latent_dim=latent_dim, **settings)
        self.condition = classes

    def generate(self, batch: Batch) -> Tensor:
        """Return images of fresh latents and the batch's classes."""
        images: Tensor = self.generator(self.draw_latents(len(batch.x)), batch.condition)
        return images

    def discriminate(self, images: Tensor, batch: Batch) -> Tensor:
        """Return D of images and the batch's classes, (B,), before its sigmoid."""
        outputs: Tensor = self.discriminator(self.augment(images), batch.condition)
        return outputs

    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images of the classes `condition`, (count,), from the averaged generator.

        Raises:
            ValueError: there is no condition, or it is not of the data's classes.
        """
        return self.decode(noise.normal(count, self.latent_dim).to(self.device), condition)

    def decode(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the averaged generator's images of latents `z`, (B, latent_dim), and classes (B,).

        Raises:
            ValueError: there is no condition, or it is not of the data's classes.
        """
        images: Tensor = self.average(z, self.check_condition(condition, len(z)))
        return images
