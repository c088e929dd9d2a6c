"""Autoencoders of maps, on whose latents other models are built: their training, common to all of them.

Esser et al. 2021 (VQGAN, https://arxiv.org/abs/2012.09841, section 3.1): images are compared with their reconstructions
by pixels and by features, and a discriminator of patches keeps what is left from being blurred:

    L = E |x - x_rec| + w E[perceptual(x, x_rec)] - lambda d E[D(x_rec)] + what keeps latents in shape
    lambda = |grad_W (the first two terms)| / (|grad_W E[D(x_rec)]| + 1e-4)        (W: the decoder's last layer)

so that both gradients are equally large, times d. A method's own file says what keeps latents in shape.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from genbench.abilities import EmbedsImages
from genbench.batch import Batch
from genbench.conditions.source_images import SourceImages
from genbench.distributed import averaged
from genbench.losses import ObjectiveName, make_objective
from genbench.medium import Images
from genbench.methods.base import GenerativeMethod
from genbench.methods.optimisation import Loss, MakeOptimizer
from genbench.methods.perceptual import Perceptual, PerceptualDistance
from genbench.networks.map_autoencoder import MapAutoencoder
from genbench.parts import Frozen
from genbench.randomness import Noise

_LARGE = 2.0**10
"""By which losses are multiplied for the gradients that are compared: those of a mean over pixels vanish in float16."""


class FirstStage(GenerativeMethod):
    """Map images to maps of latents and back. Its samples are reconstructions, of the images themselves.

    Args:
        autoencoder: the network, with what quantises its latents.
        discriminator: builds the discriminator from `image_shape`; it returns logits of any shape.
        image_shape: (C, S, S) of the data.
        autoencoder_optimizer: maps parameters to an optimizer.
        discriminator_optimizer: likewise.
        perceptual: features by which images are compared besides: "none"; "lpips", by VGG-16, with weights that lie on
            this machine; or "part", the embedding by the part of this name.
        perceptual_weight: w, of a distance by features.
        perceptual_part: a model that embeds images, such as a CLIP.
        objective: of the discriminator, see `losses.make_objective`.
        discriminator_weight: d; 0 to train without a discriminator.
        discriminator_start: steps before the discriminator is trained and its term has an effect.
        settings: those of `Method`.

    Raises:
        ValueError: an argument is out of range, or the part is missing or of no use.
    """

    derives_condition = True

    medium: Images
    condition: SourceImages
    calls_inside = True

    def __init__(
        self,
        autoencoder: MapAutoencoder,
        discriminator: Callable[..., nn.Module],
        image_shape: Sequence[int],
        *,
        autoencoder_optimizer: MakeOptimizer,
        discriminator_optimizer: MakeOptimizer,
        perceptual: Perceptual = "none",
        perceptual_weight: float = 1.0,
        perceptual_part: Frozen[EmbedsImages] | None = None,
        objective: ObjectiveName = "hinge",
        discriminator_weight: float = 0.8,
        discriminator_start: int = 0,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        if min(perceptual_weight, discriminator_weight, discriminator_start) < 0:
            raise ValueError(
                f"perceptual_weight={perceptual_weight}, discriminator_weight={discriminator_weight} and "
                f"discriminator_start={discriminator_start} must be at least 0"
            )
        self.medium = Images(image_shape)
        self.distance = PerceptualDistance(perceptual, perceptual_part, self.medium)
        self.condition = SourceImages(image_shape)
        self.perceptual = perceptual
        self.perceptual_weight = perceptual_weight
        self.perceptual_part = perceptual_part
        self.objective = make_objective(objective)
        self.discriminator_weight = discriminator_weight
        self.discriminator_start = discriminator_start
        self.autoencoder = autoencoder
        self.latent_shape = autoencoder.latent_shape
        self.average = self.averaged(autoencoder)
        self.optimise("autoencoder", autoencoder, autoencoder_optimizer, average=self.average)
        if discriminator_weight:
            self.discriminator = discriminator(image_shape=image_shape)
            self.optimise("discriminator", self.discriminator, discriminator_optimizer)

    @abstractmethod
    def reconstruct(self, x: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return reconstructions of images by the network in training, the term of their latents, and figures."""

    @abstractmethod
    def encode(self, x: Tensor, *, draw: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Return latents (B, *latent_shape) of images (B, C, S, S) in [-1, 1], from the averaged weights."""

    @abstractmethod
    def decode(self, z: Tensor) -> Tensor:
        """Return images (B, C, S, S) of latents (B, *latent_shape), from the averaged weights."""

    def distortion(self, x: Tensor, x_rec: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean distance of images to their reconstructions, and its terms."""
        pixels = (x - x_rec).abs().mean()
        if self.perceptual == "none":
            return pixels, {}
        features = self.distance(x, x_rec).mean()
        return pixels + self.perceptual_weight * features, {"loss/pixels": pixels, "loss/perceptual": features}

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Update the autoencoder and its average, and, once it has begun, the discriminator."""
        is_adversarial = self.discriminator_weight > 0 and self.step >= self.discriminator_start
        reconstructions: list[Tensor] = []

        def autoencoder_loss(part: Batch) -> Loss:
            return self.autoencoder_loss(part.x, reconstructions, is_adversarial)

        def discriminator_loss(part: Batch) -> Loss:
            return self.discriminator_loss(part.x, reconstructions.pop(0))

        self.take_step("autoencoder", autoencoder_loss, batch)
        self.after_autoencoder()
        if is_adversarial:
            self.take_step("discriminator", discriminator_loss, batch)
        return self.finish_step()

    def after_autoencoder(self) -> None:
        """Do what follows a step of the autoencoder; by default nothing."""

    def autoencoder_loss(self, x: Tensor, reconstructions: list[Tensor], is_adversarial: bool) -> Loss:
        """Return the loss of images, and append their reconstructions, which the discriminator is shown later."""
        x_rec, regularisation, figures = self.reconstruct(x)
        reconstructions.append(x_rec.detach())
        distortion, terms = self.distortion(x, x_rec)
        loss = self.scale * distortion
        figures |= terms | {"loss/distortion": distortion}
        if is_adversarial:
            adversarial = self.objective.generator(self.discriminator(x_rec))
            balance = self.balance(loss, adversarial)
            loss = loss + self.discriminator_weight * balance * adversarial
            figures |= {"loss/adversarial": adversarial, "adversary/lambda": balance}
        return loss + regularisation, figures

    @property
    def scale(self) -> float:
        """The factor of the distortion in the loss: 1 for the mean over pixels."""
        return 1.0

    def discriminator_loss(self, x: Tensor, x_rec: Tensor) -> Loss:
        """Half of the objective's loss."""
        real, fake = self.discriminator(x), self.discriminator(x_rec)
        return self.objective.discriminator(real, fake) / 2, {
            "adversary/d_real": real.mean(),
            "adversary/d_fake": fake.mean(),
        }

    def balance(self, distortion: Tensor, adversarial: Tensor) -> Tensor:
        """Return lambda, from the gradients of two losses at the decoder's last layer, over all processes."""
        weight = self.autoencoder.last_weight
        sizes = []
        for loss in (distortion, adversarial):
            (gradient,) = torch.autograd.grad(_LARGE * loss, weight, retain_graph=True)
            sizes.append(averaged(gradient).float().norm() / _LARGE)
        return (sizes[0] / (sizes[1] + 1e-4)).clamp(0, 1e4).detach()

    def condition_of(self, batch: Batch) -> Tensor | None:
        """Return the images themselves."""
        return batch.x

    @torch.no_grad()
    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return reconstructions, in [-1, 1], of images (count, C, S, S); they use no noise.

        Raises:
            ValueError: the images are missing or invalid.
        """
        x = self.check_condition(condition, count)
        assert x is not None
        return self.decode(self.encode(x))

    @property
    def _averaged(self) -> MapAutoencoder:
        return cast(MapAutoencoder, self.average.module)
