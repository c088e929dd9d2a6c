"""Regression from source images to images: what SR3 and pix2pix are compared with.

    L = E |y - f_theta(x)|_p^p

The minimum is the mean (p = 2) or the median (p = 1) of all images that a source may stand for, which has the smallest
error and is blurred: "Regression" in Saharia et al. 2021 (https://arxiv.org/abs/2104.07636, table 1), by the network of
SR3 without a noisy image.

Example:
    python -m genbench experiment=regression_digits
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from genbench.batch import Batch
from genbench.choices import expect_choice
from genbench.conditions.base import Condition
from genbench.conditions.choosing import chosen, expect
from genbench.conditions.derived import Derived
from genbench.conditions.source_images import SourceImages
from genbench.medium import Medium
from genbench.methods.base import GenerativeMethod
from genbench.methods.optimisation import Loss, MakeOptimizer
from genbench.randomness import Noise

Norm = Literal["l1", "l2"]


class Regression(GenerativeMethod):
    """Predict images from source images, by the network of a denoising method.

    Args:
        network: builds the network from the samples' `shape` and the `condition`; it is called with zeros for a noisy
            image and its time, and with the source images.
        medium: what a sample is; images.
        condition: of the data; None if it has none.
        norm: of the error in the loss, "l1" or "l2".
        optimizer: maps parameters to an optimizer.
        conditional: whether the data's own source images are translated.
        derive: derives the source images from the images themselves.
        clip: largest norm of the gradient; 0 for no clipping.
        ema_decay: decay of the averaged weights.
        settings: those of `Method`.

    Raises:
        ValueError: an argument is out of range, or there are no source images.
    """

    condition: SourceImages

    def __init__(
        self,
        network: Callable[..., nn.Module],
        medium: Medium,
        condition: Condition | None = None,
        *,
        norm: Norm = "l2",
        optimizer: MakeOptimizer,
        conditional: bool = False,
        derive: Derived | None = None,
        clip: float = 1.0,
        ema_decay: float = 0.9999,
        **settings: Any,
    ) -> None:
        super().__init__(clip=clip, ema_decay=ema_decay, **settings)
        expect_choice("norm", norm, Norm)
        self.medium = medium
        self.condition = expect(
            chosen(conditional, condition) if derive is None else derive.condition(medium),
            SourceImages,
            "regression is from source images: set method.derive, or method.conditional=true with data of pairs",
        )
        self.derive = derive
        self.derives_condition = derive is not None
        self.norm = norm
        self.network = network(shape=medium.shape, condition=self.condition)
        self.average = self.averaged(self.network)
        self.optimise("network", self.network, optimizer, average=self.average)

    def condition_of(self, batch: Batch) -> Tensor | None:
        """Return the source images of a batch: the data's, or those derived from the images."""
        return super().condition_of(batch) if self.derive is None else self.derive(batch.x)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Update the network and its average."""
        self.take_step("network", self.loss, batch)
        return self.finish_step()

    def loss(self, batch: Batch) -> Loss:
        """Return the mean error over pixels and images."""
        sources = self.condition_of(batch)
        assert sources is not None
        difference = self.predict(self.network, sources) - batch.x
        return (difference.abs() if self.norm == "l1" else difference.square()).mean(), {}

    def predict(self, network: Callable[..., Tensor], sources: Tensor) -> Tensor:
        """Return a network's predictions of source images (B, ...)."""
        nothing = sources.new_zeros(len(sources), *self.medium.shape)
        predicted: Tensor = network(nothing, nothing.new_zeros(len(nothing)), sources)
        return predicted

    @torch.no_grad()
    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return the predictions, in [-1, 1], of source images (count, ...); they use no noise.

        Raises:
            ValueError: the source images are missing or invalid.
        """
        sources = self.check_condition(condition, count)
        assert sources is not None
        return self.predict(self.average, sources).clamp(-1, 1)
