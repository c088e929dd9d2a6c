"""The Wasserstein GAN with weight clipping (Arjovsky et al. 2017, https://arxiv.org/abs/1701.07875).

The critic f, made Lipschitz by clipping its weights, estimates the Wasserstein-1 distance up to a factor; the generator
follows its gradient:

    min_G max_f  E[f(x)] - E[f(G(z))]

Example:
    python -m genbench experiment=wgan_lsun data.root=~/lsun
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from genbench.batch import Batch
from genbench.losses import wasserstein_critic_loss, wasserstein_generator_loss
from genbench.methods.adversarial.latent_gan import LatentGAN
from genbench.methods.optimisation import Loss


class WGAN(LatentGAN):
    """Algorithm 1 of the paper, with the schedule of the authors' code, which trains the critic longer in some rounds.

    The critic takes `discriminator_steps` (n_critic) steps per generator step, and `long_steps` for the first
    `long_first` generator steps and for every `long_every`-th.

    Args:
        generator: see `LatentGAN`.
        discriminator: see `LatentGAN`; it is the critic and returns f(x), (B,).
        image_shape: (C, H, W) of the data.
        weight_clip: c; every parameter of the critic stays in [-c, c].
        discriminator_steps: n_critic.
        long_steps: critic steps of the long rounds.
        long_first: how many rounds are long at first.
        long_every: which rounds are long later on.
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
        weight_clip: float = 0.01,
        discriminator_steps: int = 5,
        long_steps: int = 100,
        long_first: int = 25,
        long_every: int = 500,
        **settings: Any,
    ) -> None:
        if weight_clip <= 0:
            raise ValueError(f"weight_clip must be positive, not {weight_clip}")
        if long_steps < discriminator_steps:
            raise ValueError(f"long_steps must be at least discriminator_steps={discriminator_steps}, not {long_steps}")
        if not 0 <= long_first <= long_every or long_every < 1:
            raise ValueError(f"long_first={long_first} must be from 0 to long_every={long_every}, at least 1")
        super().__init__(generator, discriminator, image_shape, discriminator_steps=discriminator_steps, **settings)
        self.weight_clip = weight_clip
        self.long_steps = long_steps
        self.long_first = long_first
        self.long_every = long_every

    def discriminator_loss(self, batch: Batch) -> Loss:
        """E[f(G(z))] - E[f(x)], whose negative is the estimate of the distance."""
        x = batch.x
        with torch.no_grad():
            x_fake = self.generate(batch)
        # Two passes by default, as in the authors' code: BatchNorm gets separate batches of real and generated images.
        loss = wasserstein_critic_loss(*self.discriminate_both(x, x_fake, batch))
        return loss, {"adversary/wasserstein": -loss}

    def generator_loss(self, batch: Batch) -> Loss:
        """-E[f(G(z))], on fresh latents."""
        return wasserstein_generator_loss(self.discriminate(self.generate(batch), batch)), {}

    @torch.no_grad()
    def constrain_discriminator(self) -> None:
        """Clip every parameter of the critic to [-c, c]."""
        for parameter in self.discriminator.parameters():
            parameter.clamp_(-self.weight_clip, self.weight_clip)

    def generator_moves(self, step: int) -> bool:
        """Whether the step of this index ends a round: a function of the index alone, so it has no state."""
        step += 1
        if step <= self.long_first * self.long_steps:
            return step % self.long_steps == 0
        # Then periods of `long_every` rounds, the first of which is long; the first period is `long_first` shorter.
        step -= self.long_first * self.long_steps
        short_rounds = self.long_every - (self.long_first or self.long_every)
        if step <= short_rounds * self.discriminator_steps:
            return step % self.discriminator_steps == 0
        period = self.long_steps + (self.long_every - 1) * self.discriminator_steps
        step = (step - short_rounds * self.discriminator_steps - 1) % period + 1
        if step <= self.long_steps:
            return step == self.long_steps
        return (step - self.long_steps) % self.discriminator_steps == 0
