"""Denoising diffusion GANs (Xiao et al. 2022, https://arxiv.org/abs/2112.07804): four large steps, not a thousand.

The reverse distribution of a large step is not Gaussian, so each step is modelled by a conditional GAN. The generator
predicts an image, and the chain's posterior gives the previous step,

    x_0' = G(x_t, z, t),    x'_{t-1} ~ q(x_{t-1} | x_t, x_0'),

and the discriminator distinguishes real from generated steps, given x_t:

    min_G max_D  E_t [ E_q[log D(x_{t-1}, x_t, t)] + E[log(1 - D(x'_{t-1}, x_t, t))] ]

Example:
    python -m genbench experiment=ddgan_digits
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.conditions.choosing import chosen
from genbench.diffusion.estimates import Estimate, at_time
from genbench.diffusion.processes import DiscreteProcess
from genbench.diffusion.samplers import ancestral, transition
from genbench.losses import cross_entropy_discriminator_loss, non_saturating_generator_loss, r1_penalty
from genbench.medium import Images
from genbench.methods.adversarial.base import AdversarialMethod
from genbench.methods.optimisation import Loss
from genbench.randomness import Noise


class DDGAN(AdversarialMethod):
    """A conditional GAN for each step of a short chain.

    Args:
        generator: builds G from `shape`, `condition` and `latent_dim`; called with x_t, t in [0, 1], y and z.
        discriminator: builds D from the `shape` of x_{t-1} and x_t concatenated, and `condition`; called with these, t
            and y, it returns its output before the sigmoid, (B, 1).
        image_shape: (C, H, W) of the data.
        condition: of the data; None if it has none.
        process: a chain of few steps.
        latent_dim: length of z.
        r1: gamma; gamma / 2 E[|grad D|^2] at real x_{t-1} is added to D's loss (Mescheder et al. 2018).
        r1_every: steps between applications of R1.
        conditional: whether both networks are conditioned on the data's condition.
        settings: those of `AdversarialMethod`.

    Raises:
        ValueError: an argument is out of range, or the data has no condition.
    """

    def __init__(
        self,
        generator: Callable[..., nn.Module],
        discriminator: Callable[..., nn.Module],
        image_shape: Sequence[int],
        condition: Condition | None = None,
        *,
        process: DiscreteProcess,
        latent_dim: int = 100,
        r1: float = 0.02,
        r1_every: int = 15,
        conditional: bool = False,
        **settings: Any,
    ) -> None:
        for name, value, least in (("latent_dim", latent_dim, 1), ("r1_every", r1_every, 1), ("r1", r1, 0)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        condition = chosen(conditional, condition)
        channels, height, width = image_shape
        super().__init__(
            generator(shape=image_shape, condition=condition, latent_dim=latent_dim),
            discriminator(shape=(2 * channels, height, width), condition=condition),
            **settings,
        )
        self.medium = Images(image_shape)
        self.condition = condition
        self.process = process
        self.latent_dim = latent_dim
        self.r1 = r1
        self.r1_every = r1_every

    def discriminator_loss(self, batch: Batch) -> Loss:
        """-E[log D(x_{t-1}, x_t, t)] - E[log(1 - D(x'_{t-1}, x_t, t))], and at times gamma / 2 times R1."""
        t, x_s, x_t, y = self.draw_step(batch)
        with torch.no_grad():
            fake_s = self.step_back(x_t, t, y)
        real, fake = self.discriminate(x_s, x_t, t, y), self.discriminate(fake_s, x_t, t, y)
        loss = cross_entropy_discriminator_loss(real, fake)
        figures = {"adversary/d_real": real.sigmoid().mean(), "adversary/d_fake": fake.sigmoid().mean()}
        if self.r1 and self.step % self.r1_every == 0:
            # The gradient would over- or underflow in half precision.
            with torch.autocast(x_s.device.type, enabled=False):
                penalty = r1_penalty(lambda images: self.discriminate(images, x_t, t, y), x_s.float())
            loss = loss + self.r1 / 2 * penalty
        return loss, figures

    def generator_loss(self, batch: Batch) -> Loss:
        """-E[log D(x'_{t-1}, x_t, t)]."""
        t, _, x_t, y = self.draw_step(batch)
        return non_saturating_generator_loss(self.discriminate(self.step_back(x_t, t, y), x_t, t, y)), {}

    def draw_step(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Return times (B,), x_{t-1}, an x_t drawn from it, and the rows of the condition of a conditional method."""
        x_0, y = batch.x, self.condition_of(batch)
        t = torch.randint(1, self.process.steps + 1, (len(x_0),), device=x_0.device).double() / self.process.steps
        s = t - 1 / self.process.steps
        x_s = self.process.diffuse(x_0, s.to(x_0), torch.randn_like(x_0))
        ratio = (self.process.alpha(t) / self.process.alpha(s)).to(x_0).view(-1, 1, 1, 1)
        deviation = transition(self.process, t, s).step_variance.sqrt().to(x_0).view(-1, 1, 1, 1)
        x_t = ratio * x_s + deviation * torch.randn_like(x_0)
        return t, x_s, x_t, y

    def step_back(self, x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """Return generated x'_{t-1}, from fresh latents."""
        z = torch.randn(len(x_t), self.latent_dim, device=x_t.device)
        x_0 = self.generator(x_t, self.process.network_time(t).to(x_t), y, z).tanh()
        t = t.view(-1, 1, 1, 1)
        step = transition(self.process, t, t - 1 / self.process.steps).like(x_t)
        return step.mean(x_0, x_t) + step.variance.sqrt() * torch.randn_like(x_t)

    def discriminate(self, x_s: Tensor, x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """Return D (B, 1), before its sigmoid."""
        logits: Tensor = self.discriminator(torch.cat([x_s, x_t], dim=1), self.process.network_time(t).to(x_t), y)
        return logits

    @torch.no_grad()
    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images (count, C, H, W) in [-1, 1] by one call of the averaged generator for each step.

        Raises:
            ValueError: the condition is missing, given to an unconditional method, or invalid.
        """
        y = self.check_condition(condition, count)

        def denoise(x_t: Tensor, t: Tensor) -> Estimate:
            z = noise.normal(count, self.latent_dim).to(x_t)
            return Estimate(self.average(x_t, at_time(self.process.network_time(t), x_t), y, z).tanh())

        def draw() -> Tensor:
            return noise.normal(count, *self.medium.shape).to(self.device)

        return ancestral(denoise, self.process, draw(), draw)
