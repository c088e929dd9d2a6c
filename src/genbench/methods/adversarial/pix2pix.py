"""pix2pix: image-to-image translation from pairs (Isola et al. 2017, https://arxiv.org/abs/1611.07004).

The generator translates a source image to its target; the discriminator gets both and classifies patches. L1 fits low
frequencies, the adversarial term high ones:

    min_G max_D  E[log D(x, y)] + E[log(1 - D(x, G(x)))] + lambda E[|y - G(x)|_1]

Example:
    python -m genbench experiment=pix2pix_edges2digits data.root=~/data
"""

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.conditions.choosing import expect
from genbench.conditions.source_images import SourceImages
from genbench.losses import ObjectiveName, make_objective
from genbench.medium import Images
from genbench.methods.adversarial.base import AdversarialMethod
from genbench.methods.optimisation import Loss
from genbench.randomness import Noise


class Pix2Pix(AdversarialMethod):
    """Equation 4 of the paper, and each of its terms alone.

    Dropout in the generator is its only noise, in training and in sampling.

    Args:
        generator: builds the generator from `image_shape` and `source_shape`; it maps a source to its target. One with
            dropout takes the source of its random numbers as an argument `uniform`.
        discriminator: builds the discriminator from `image_shape`, that of source and target concatenated; it returns
            logits of any shape.
        image_shape: (C, H, W) of the targets.
        condition: the data's source images.
        objective: of the adversarial term, see `losses.make_objective`.
        l1_weight: lambda; 0 for the adversarial term alone.
        adversarial_weight: 0 for L1 alone; the discriminator is still trained, and its figures are logged.
        settings: those of `AdversarialMethod`.

    Raises:
        ValueError: an argument is out of range, or the data has no source images.
    """

    def __init__(
        self,
        generator: Callable[..., nn.Module],
        discriminator: Callable[..., nn.Module],
        image_shape: Sequence[int],
        condition: Condition | None,
        *,
        objective: ObjectiveName = "non_saturating",
        l1_weight: float = 100.0,
        adversarial_weight: float = 1.0,
        **settings: Any,
    ) -> None:
        takes = "pix2pix takes pairs of images, such as data=edges2digits or paired_folder"
        sources = expect(condition, SourceImages, takes)
        source_shape = sources.shape
        if l1_weight < 0 or adversarial_weight < 0 or l1_weight + adversarial_weight == 0:
            raise ValueError(
                f"l1_weight={l1_weight} and adversarial_weight={adversarial_weight} must be at least 0, and not both 0"
            )
        channels, height, width = image_shape
        super().__init__(
            generator(image_shape=image_shape, source_shape=source_shape),
            discriminator(image_shape=(channels + source_shape[0], height, width)),
            **settings,
        )
        self.medium = Images(image_shape)
        self.condition = sources
        self.objective = make_objective(objective)
        self._has_noise = "uniform" in signature(self.generator.forward).parameters
        self.l1_weight = l1_weight
        self.adversarial_weight = adversarial_weight

    def discriminator_loss(self, batch: Batch) -> Loss:
        """Half of -E[log D(x, y)] - E[log(1 - D(x, G(x)))], which slows D down (section 3.3)."""
        y, x = batch.pair()
        with torch.no_grad():
            y_fake = self.generator(x)
        real, fake = self._discriminate(x, y), self._discriminate(x, y_fake)
        figures = {"adversary/d_real": real.sigmoid().mean(), "adversary/d_fake": fake.sigmoid().mean()}
        return self.objective.discriminator(real, fake) / 2, figures

    def generator_loss(self, batch: Batch) -> Loss:
        """-E[log D(x, G(x))] + lambda E[|y - G(x)|_1]."""
        y, x = batch.pair()
        y_fake = self.generator(x)
        l1 = l1_loss(y_fake, y)
        loss = self.l1_weight * l1
        if self.adversarial_weight:
            loss = loss + self.adversarial_weight * self.objective.generator(self._discriminate(x, y_fake))
        return loss, {"loss/l1": l1}

    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return the averaged generator's translations of the sources `condition`, (count, C, H, W) in [-1, 1].

        Raises:
            ValueError: the sources are not `count` images of the source domain.
        """
        drawn = {"uniform": noise.uniform} if self._has_noise else {}
        images: Tensor = self.average(self.check_condition(condition, count), **drawn)
        return images

    def _discriminate(self, x: Tensor, y: Tensor) -> Tensor:
        logits: Tensor = self.discriminator(torch.cat([x, y], dim=1))
        return logits
