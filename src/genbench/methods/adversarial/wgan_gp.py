"""The Wasserstein GAN with gradient penalty (Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028).

Instead of clipping weights as WGAN does, a penalty keeps the norm of the critic's gradient near one on lines between
real and generated images:

    min_G max_f  E[f(x)] - E[f(G(z))] - lambda E[(|grad f(x^)| - 1)^2]

Example:
    python -m genbench experiment=wgan_gp_mnist data.root=~/data
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from genbench.batch import Batch
from genbench.losses import gradient_penalty, wasserstein_critic_loss, wasserstein_generator_loss
from genbench.methods.adversarial.latent_gan import LatentGAN
from genbench.methods.optimisation import Loss
from genbench.networks.normalisation import has_batch_norm


class WGANGP(LatentGAN):
    """Algorithm 1 of the paper.

    Args:
        generator: see `LatentGAN`.
        discriminator: see `LatentGAN`; it is the critic, returns f(x), (B,), and has no BatchNorm.
        image_shape: (C, H, W) of the data.
        penalty: lambda.
        discriminator_steps: n_critic.
        settings: those of `LatentGAN`.

    Raises:
        ValueError: an argument is out of range, or the critic has BatchNorm, which mixes the gradients of the images.
    """

    def __init__(
        self,
        generator: Callable[..., nn.Module],
        discriminator: Callable[..., nn.Module],
        image_shape: Sequence[int],
        *,
        penalty: float = 10.0,
        discriminator_steps: int = 5,
        **settings: Any,
    ) -> None:
        if penalty < 0:
            raise ValueError(f"penalty must be at least 0, not {penalty}")
        super().__init__(generator, discriminator, image_shape, discriminator_steps=discriminator_steps, **settings)
        if has_batch_norm(self.discriminator):
            raise ValueError(
                "the critic has BatchNorm, which the gradient penalty does not allow: set network=resnet or mlp, or "
                "network.discriminator.norm=none"
            )
        self.penalty = penalty

    def discriminator_loss(self, batch: Batch) -> Loss:
        """E[f(G(z))] - E[f(x)] + lambda E[(|grad f(x^)| - 1)^2]."""
        x = batch.x
        with torch.no_grad():
            x_fake = self.generate(batch)
        mix = torch.rand(len(x), device=x.device)
        # The gradient would over- or underflow in half precision.
        with torch.autocast(x.device.type, enabled=False):
            penalty = gradient_penalty(lambda images: self.discriminate(images, batch), x.float(), x_fake.float(), mix)
        # After the penalty, which needs the most memory, so that the graphs of these passes are not kept during it.
        distance = -wasserstein_critic_loss(*self.discriminate_both(x, x_fake, batch))
        return self.penalty * penalty - distance, {"adversary/wasserstein": distance, "adversary/penalty": penalty}

    def generator_loss(self, batch: Batch) -> Loss:
        """-E[f(G(z))], on fresh latents."""
        return wasserstein_generator_loss(self.discriminate(self.generate(batch), batch)), {}
