"""CycleGAN: translation between two domains without pairs (Zhu et al. 2017, https://arxiv.org/abs/1703.10593).

G translates images x of domain X to Y, F those of Y to X, each with its own discriminator. Cycle consistency keeps the
translations from ignoring their sources:

    L = E[(D_Y(G(x)) - 1)^2] + E[(D_X(F(y)) - 1)^2]                    adversarial
      + lambda (E[|F(G(x)) - x|_1] + E[|G(F(y)) - y|_1])               cycle
      + mu lambda (E[|G(y) - y|_1] + E[|F(x) - x|_1])                  identity

Example:
    python -m genbench experiment=cyclegan_digits data.root=~/data
"""

from collections.abc import Callable, Sequence
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
from genbench.methods.adversarial.image_pool import ImagePool
from genbench.methods.optimisation import Loss
from genbench.randomness import Noise


class Translators(nn.Module):
    """G and F.

    Args:
        forth: G, from X to Y.
        back: F, from Y to X.
    """

    def __init__(self, forth: nn.Module, back: nn.Module) -> None:
        super().__init__()
        self.forth = forth
        self.back = back

    def forward(self, images: Tensor, *, back: bool = False) -> Tensor:
        """Return G of images, or F of them."""
        translated: Tensor = (self.back if back else self.forth)(images)
        return translated


class CycleGAN(AdversarialMethod):
    """Section 3 of the paper; X is the domain of the conditions, Y that of the images.

    Both generators are updated together, as are both discriminators, whose loss is halved (section 4).

    Args:
        generator: builds a generator from `image_shape` and `source_shape`.
        discriminator: builds a discriminator from `image_shape`; it returns outputs of any shape.
        image_shape: (C, H, W) of domain Y.
        condition: the data's source images, domain X.
        objective: of the adversarial term, see `losses.make_objective`.
        cycle_weight: lambda.
        identity_weight: mu; requires domains with the same number of channels.
        pool_size: generated images kept to be shown to each discriminator again.
        settings: those of `AdversarialMethod`.

    Raises:
        ValueError: an argument is out of range, or the data has no two domains.
    """

    def __init__(
        self,
        generator: Callable[..., nn.Module],
        discriminator: Callable[..., nn.Module],
        image_shape: Sequence[int],
        condition: Condition | None,
        *,
        objective: ObjectiveName = "least_squares",
        cycle_weight: float = 10.0,
        identity_weight: float = 0.5,
        pool_size: int = 50,
        **settings: Any,
    ) -> None:
        takes = "CycleGAN takes two domains of images, such as data=two_domains or unpaired_folder"
        sources = expect(condition, SourceImages, takes)
        source_shape = sources.shape
        if identity_weight and source_shape[0] != image_shape[0]:
            raise ValueError(
                f"identity_weight takes domains with the same number of channels, not {source_shape[0]} and "
                f"{image_shape[0]}: "
                "set it to 0"
            )
        for name, value in (
            ("cycle_weight", cycle_weight),
            ("identity_weight", identity_weight),
            ("pool_size", pool_size),
        ):
            if value < 0:
                raise ValueError(f"{name} must be at least 0, not {value}")
        super().__init__(
            Translators(
                generator(image_shape=image_shape, source_shape=source_shape),
                generator(image_shape=source_shape, source_shape=image_shape),
            ),
            nn.ModuleDict({"x": discriminator(image_shape=source_shape), "y": discriminator(image_shape=image_shape)}),
            **settings,
        )
        self.medium = Images(image_shape)
        self.condition = sources
        self.objective = make_objective(objective)
        self.cycle_weight = cycle_weight
        self.identity_weight = identity_weight
        self.pool_x = ImagePool(pool_size, tuple(source_shape))
        self.pool_y = ImagePool(pool_size, tuple(image_shape))

    def discriminator_loss(self, batch: Batch) -> Loss:
        """Half of E[(D(real) - 1)^2] + E[D(generated, some of them old)^2], for both domains."""
        y, x = batch.pair()
        with torch.no_grad():
            x_fake = self.pool_x.exchange(self.generator(y, back=True))
            y_fake = self.pool_y.exchange(self.generator(x))
        d_x, d_y = self._discriminators()
        loss_x = self.objective.discriminator(d_x(x), d_x(x_fake)) / 2
        loss_y = self.objective.discriminator(d_y(y), d_y(y_fake)) / 2
        return loss_x + loss_y, {"loss/discriminator_x": loss_x, "loss/discriminator_y": loss_y}

    def generator_loss(self, batch: Batch) -> Loss:
        """The adversarial, cycle and identity terms of both directions."""
        y, x = batch.pair()
        d_x, d_y = self._discriminators()
        x_fake, y_fake = self.generator(y, back=True), self.generator(x)
        adversarial = self.objective.generator(d_x(x_fake)) + self.objective.generator(d_y(y_fake))
        cycle = l1_loss(self.generator(y_fake, back=True), x) + l1_loss(self.generator(x_fake), y)
        loss = adversarial + self.cycle_weight * cycle
        figures = {"loss/adversarial": adversarial, "loss/cycle": cycle}
        if self.identity_weight:
            identity = l1_loss(self.generator(y), y) + l1_loss(self.generator(x, back=True), x)
            loss = loss + self.identity_weight * self.cycle_weight * identity
            figures["loss/identity"] = identity
        return loss, figures

    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return G of the sources `condition`, (count, C, H, W) in [-1, 1], by the averaged weights; it has no noise.

        Raises:
            ValueError: the sources are not `count` images of domain X.
        """
        images: Tensor = self.average(self.check_condition(condition, count))
        return images

    def sample_back(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return F of images (count, C, H, W) of domain Y, as `sample` does G.

        Raises:
            ValueError: there are not `count` images.
        """
        if condition is None:
            raise ValueError(f"CycleGAN takes {count} images to translate back")
        condition = SourceImages(self.medium.shape).check(condition, count)
        images: Tensor = self.average(condition.to(self.device), back=True)
        return images

    def _discriminators(self) -> tuple[nn.Module, nn.Module]:
        assert isinstance(self.discriminator, nn.ModuleDict)
        return self.discriminator["x"], self.discriminator["y"]
