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
from torch import Tensor, nn

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
        generator_batch: images of a step of the generator for each image of a step of the critic; 2 in the authors'
            code for CIFAR-10.
        dequantise: whether real images get uniform noise as wide as a level, so that the critic can't recognise them by
            their 256 levels; as in the authors' code for CIFAR-10.
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
        generator_batch: int = 1,
        dequantise: bool = False,
        **settings: Any,
    ) -> None:
        if penalty < 0:
            raise ValueError(f"penalty must be at least 0, not {penalty}")
        if generator_batch < 1:
            raise ValueError(f"generator_batch must be at least 1, not {generator_batch}")
        super().__init__(generator, discriminator, image_shape, discriminator_steps=discriminator_steps, **settings)
        if has_batch_norm(self.discriminator):
            raise ValueError(
                "the critic has BatchNorm, which the gradient penalty does not allow: set network=resnet or mlp, or "
                "network.discriminator.norm=none"
            )
        self.penalty = penalty
        self.generator_batch = generator_batch
        self.dequantise = dequantise

    def discriminator_loss(self, batch: Batch) -> Loss:
        """E[f(G(z))] - E[f(x)] + lambda E[(|grad f(x^)| - 1)^2]."""
        x = _dequantised(batch.x) if self.dequantise else batch.x
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
        images = self.generator(self.draw_latents(self.generator_batch * len(batch.x)))
        return wasserstein_generator_loss(self.discriminate(images, batch)), {}


def _dequantised(x: Tensor) -> Tensor:
    """Return images of 256 levels in [-1, 1] with uniform noise, each level anywhere in its 256th of [-1, 1)."""
    levels = (x + 1) * 127.5
    return (levels + torch.rand_like(x)) / 128 - 1
