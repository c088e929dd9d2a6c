"""The generative adversarial network (Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661).

A generator G maps latents z ~ N(0, I) to images; a discriminator D tells them from real ones:

    min_G max_D  E[log D(x)] + E[log(1 - D(G(z)))]

Example:
    python -m genbench experiment=gan_mnist method.objective=minimax
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from genbench.losses import cross_entropy_discriminator_loss, minimax_generator_loss, non_saturating_generator_loss
from genbench.methods.adversarial import Turn
from genbench.methods.latent_gan import LatentGAN

Objective = Literal["minimax", "non_saturating"]

_GENERATOR_LOSSES = {"minimax": minimax_generator_loss, "non_saturating": non_saturating_generator_loss}


class GAN(LatentGAN):
    """The first GAN; with the `dcgan` network and its settings, DCGAN (Radford et al. 2016).

    Args:
        generator: see `LatentGAN`.
        discriminator: see `LatentGAN`; it returns logits (B,).
        image_shape: (C, H, W) of the data.
        objective: what the generator minimises: "minimax", E[log(1 - D(G(z)))], or "non_saturating", -E[log D(G(z))].
        settings: those of `LatentGAN`.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        generator: Callable[..., nn.Module],
        discriminator: Callable[..., nn.Module],
        image_shape: Sequence[int],
        *,
        objective: Objective = "non_saturating",
        **settings: Any,
    ) -> None:
        if objective not in _GENERATOR_LOSSES:
            raise ValueError(f"objective must be one of {', '.join(_GENERATOR_LOSSES)}, not {objective!r}")
        super().__init__(generator, discriminator, image_shape, **settings)
        self._adversarial_loss = _GENERATOR_LOSSES[objective]

    def discriminator_loss(self, batch: tuple[Tensor, Tensor | None]) -> Turn:
        """-E[log D(x)] - E[log(1 - D(G(z)))]."""
        x, _ = batch
        with torch.no_grad():
            x_fake = self.generator(self.draw_latents(len(x)))
        real_logits, fake_logits = self.discriminator(x), self.discriminator(x_fake)
        loss = cross_entropy_discriminator_loss(real_logits, fake_logits)
        return loss, {
            "adversary/d_real": real_logits.sigmoid().mean(),
            "adversary/d_fake": fake_logits.sigmoid().mean(),
        }

    def generator_loss(self, batch: tuple[Tensor, Tensor | None]) -> Turn:
        """E[log(1 - D(G(z)))] or -E[log D(G(z))], on fresh latents."""
        x, _ = batch
        fake_logits = self.discriminator(self.generator(self.draw_latents(len(x))))
        return self._adversarial_loss(fake_logits), {"adversary/d_fake_generator": fake_logits.sigmoid().mean()}
