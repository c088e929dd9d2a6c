"""The generative adversarial network (Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661).

A generator G maps latents z ~ N(0, I) to images; a discriminator D distinguishes them from real ones:

    min_G max_D  E[log D(x)] + E[log(1 - D(G(z)))]

Other objectives and common stabilisation techniques are settings; all are off by default.

Example:
    python -m genbench experiment=gan_mnist method.objective=minimax
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genbench.batch import Batch
from genbench.losses import ObjectiveName, make_objective, r1_penalty
from genbench.methods.adversarial.latent_gan import LatentGAN
from genbench.methods.optimisation import Loss
from genbench.networks.normalisation import has_batch_norm, normalise_spectrally


class GAN(LatentGAN):
    """The original GAN; with the `dcgan` network and its settings, DCGAN (Radford et al. 2016).

    Args:
        generator: see `LatentGAN`.
        discriminator: see `LatentGAN`; D before its sigmoid, (B,).
        image_shape: (C, H, W) of the data.
        objective: the losses of D and G, see `losses.make_objective`.
        label_smoothing: s; real images are labelled 1 - s, so that D does not become overconfident (Salimans et al.
            2016).
        instance_noise: standard deviation of Gaussian noise added to all of D's inputs, so that real and generated
            images overlap and D's gradient does not vanish (Arjovsky and Bottou 2017); it falls linearly to zero.
        instance_noise_steps: steps until it is zero.
        spectral_norm: whether the weights of D's layers are divided by their largest singular value, which bounds its
            Lipschitz constant (Miyato et al. 2018).
        r1: gamma; gamma / 2 E[|grad D(x)|^2] at real images is added to D's loss (Mescheder et al. 2018); 0 for none.
        reuse_samples: whether the generator's loss uses the images on which D was just updated, as in many
            implementations, instead of fresh ones: saves one pass of G, with a different, slightly biased gradient.
        settings: those of `LatentGAN`; its two optimizers may have two rates (Heusel et al. 2017).

    Raises:
        ValueError: an argument is out of range, R1 is used with BatchNorm, which mixes the gradients of the images, or
            samples are to be reused although the generator is not updated on every batch.
    """

    def __init__(
        self,
        generator: Callable[..., nn.Module],
        discriminator: Callable[..., nn.Module],
        image_shape: Sequence[int],
        *,
        objective: ObjectiveName = "non_saturating",
        label_smoothing: float = 0.0,
        instance_noise: float = 0.0,
        instance_noise_steps: int = 10_000,
        spectral_norm: bool = False,
        r1: float = 0.0,
        reuse_samples: bool = False,
        **settings: Any,
    ) -> None:
        self.objective = make_objective(objective, label_smoothing)
        for name, value, least in (
            ("instance_noise", instance_noise, 0),
            ("instance_noise_steps", instance_noise_steps, 1),
            ("r1", r1, 0),
        ):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        super().__init__(generator, discriminator, image_shape, **settings)
        if r1 and has_batch_norm(self.discriminator):
            raise ValueError("r1 takes a discriminator without BatchNorm: set network.discriminator.norm=none")
        if reuse_samples and self.discriminator_steps > 1:
            raise ValueError("reuse_samples takes discriminator_steps=1: both networks must be updated on every batch")
        if spectral_norm:
            normalise_spectrally(self.discriminator)
        self.instance_noise = instance_noise
        self.instance_noise_steps = instance_noise_steps
        self.r1 = r1
        self.reuse_samples = reuse_samples
        self._reused: Tensor
        self._has_logits = objective in ("minimax", "non_saturating")

    def accumulate(self, parts: int) -> None:
        """Let each batch go through the networks in parts, see `Method`.

        Raises:
            ValueError: samples are reused, which would take the graphs of all parts at once.
        """
        if parts > 1 and self.reuse_samples:
            raise ValueError("reuse_samples takes a whole batch at once: set trainer.accumulate_grad_batches=1")
        super().accumulate(parts)

    def before_turns(self, batch: Batch) -> None:
        """Generate the images for both updates, if they are to be reused."""
        if self.reuse_samples:
            self._reused = self.generate(batch)

    def discriminator_loss(self, batch: Batch) -> Loss:
        """-E[log D(x)] - E[log(1 - D(G(z)))], or the chosen objective's loss, plus gamma / 2 times R1."""
        with torch.no_grad():
            x, x_fake = self.with_instance_noise(batch.x), self.with_instance_noise(self._fakes(batch).detach())
        real, fake = self.discriminate_both(x, x_fake, batch)
        loss = self.objective.discriminator(real, fake)
        figures = self._mean_outputs(d_real=real, d_fake=fake)
        if self.r1:
            # The gradient would over- or underflow in half precision.
            with torch.autocast(x.device.type, enabled=False):
                penalty = r1_penalty(lambda images: self.discriminate(images, batch), x.float())
            loss = loss + self.r1 / 2 * penalty
            figures["adversary/r1"] = penalty
        return loss, figures

    def generator_loss(self, batch: Batch) -> Loss:
        """-E[log D(G(z))], or the chosen objective's loss."""
        fake = self.discriminate(self.with_instance_noise(self._fakes(batch)), batch)
        return self.objective.generator(fake), self._mean_outputs(d_fake_generator=fake)

    def _fakes(self, batch: Batch) -> Tensor:
        return self._reused if self.reuse_samples else self.generate(batch)

    def with_instance_noise(self, images: Tensor) -> Tensor:
        """Return images with the instance noise of the current step added."""
        if not self.instance_noise:
            return images
        left = max(0.0, 1 - self.step / self.instance_noise_steps)
        return images + self.instance_noise * left * torch.randn_like(images)

    def _mean_outputs(self, **outputs: Tensor) -> dict[str, Tensor]:
        """Return the mean discriminator outputs, as probabilities if they are logits, if they will be logged."""
        if not self.measures:
            return {}
        return {
            f"adversary/{name}": (values.sigmoid() if self._has_logits else values).mean()
            for name, values in outputs.items()
        }
