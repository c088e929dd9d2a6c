"""StackGAN's first stage: small images of captions (Zhang et al. 2017, https://arxiv.org/abs/1612.03242, section 3.3).

What a caption says reaches the generator as a draw c ~ N(mu(t), sigma(t)^2), conditioning augmentation, so that
captions that are near to each other have something in common, and one caption has many images:

    L_D = E[l(-D(x, t))] + (E[l(D(x, t'))] + E[l(D(G(z, c), t))]) / 2
    L_G = E[l(-D(G(z, c), t))] + lambda KL(N(mu, sigma^2) || N(0, I))

with l = softplus and t' the caption of another image; see `matching`. In the paper t is the embedding of a frozen text
encoder, here of a CLIP, parts.embedder=RUN; without one the networks read the caption themselves. `stackgan_refiner`
makes large images of the small ones.

Example:
    python -m genbench experiment=stackgan_scenes
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from genbench.conditions.base import Condition
from genbench.methods.adversarial.matching import MatchingAwareGAN
from genbench.networks.pair_discriminator import PairDiscriminator
from genbench.networks.stackgan import Drawn, StageOneGenerator
from genbench.randomness import Noise


class StackGAN(MatchingAwareGAN):
    """Draw small images of captions.

    Args:
        generator: builds the generator from `latent_dim`, `image_shape` and `condition`.
        discriminator: see `MatchingAwareGAN`.
        image_shape: (C, H, W) of the data.
        condition: the captions of the data, or embeddings in their place.
        latent_dim: numbers of z. The latent of `decode` also holds the augmentation's noise.
        settings: those of `MatchingAwareGAN`.

    Raises:
        ValueError: an argument is out of range, or the data has no captions.
    """

    generator: StageOneGenerator

    def __init__(
        self,
        generator: Callable[..., StageOneGenerator],
        discriminator: Callable[..., PairDiscriminator],
        image_shape: Sequence[int],
        condition: Condition | None,
        *,
        latent_dim: int = 100,
        **settings: Any,
    ) -> None:
        if latent_dim < 1:
            raise ValueError(f"latent_dim must be at least 1, not {latent_dim}")
        super().__init__(partial(generator, latent_dim=latent_dim), discriminator, image_shape, condition, **settings)
        self.latent_dim: int = latent_dim + self.generator.caption_dim

    def draw(self, rows: Tensor) -> Drawn:
        """Return images of fresh noise and captions (B, L)."""
        drawn: Drawn = self.generator(torch.randn(len(rows), self.latent_dim, device=rows.device), self.read(rows))
        return drawn

    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images (count, C, H, W) of captions (count, L), from the averaged generator.

        Raises:
            ValueError: there are no captions, or they are not of the data's kind.
            UserError: the part that reads captions can't read one.
        """
        return self.decode(noise.normal(count, self.latent_dim).to(self.device), condition)

    def decode(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the averaged generator's images of latents (B, latent_dim) and captions (B, L).

        Raises:
            ValueError: there are no captions, or they are not of the data's kind.
            UserError: the part that reads captions can't read one.
        """
        rows = self.check_condition(condition, len(z))
        assert rows is not None
        images: Tensor = self.average(z, self.read(rows)).images
        return images
