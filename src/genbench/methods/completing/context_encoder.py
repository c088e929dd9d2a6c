"""Context encoders: a hole is filled in from what is around it (Pathak et al. 2016, https://arxiv.org/abs/1604.07379).

An encoder and a decoder with a bottleneck between them predict the hole. The squared error alone is least for the mean
of all that may be there, which is blurred; a discriminator, which does not see what is around it, asks for one of them:

    L_D = E[l(-D(x))] + E[l(D(x'))]
    L_G = 0.999 E[w (x - x')^2] + 0.001 E[l(-D(x'))]

with l = softplus. The prediction x' covers a few known pixels around the hole, where w = 10, so that its edge fits;
elsewhere w = 1 (section 3.2 and the authors' code, whose learning rate of the generator is ten times the
discriminator's).

The paper's network predicts the middle half of an image, and its discriminator sees this half alone. With
`masks=random` the hole is a rectangle or a stroke anywhere, the prediction is the whole image, and the discriminator
sees it with the known part in its place.

Example:
    python -m genbench experiment=context_encoder_digits
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pad

from genbench.batch import Batch
from genbench.choices import expect_choice
from genbench.conditions.masked_images import MaskedImages, MaskKind
from genbench.losses import ObjectiveName, make_objective
from genbench.medium import Images
from genbench.methods.adversarial.base import AdversarialMethod
from genbench.methods.completing.base import CompletingMethod
from genbench.methods.optimisation import Loss


class ContextEncoder(AdversarialMethod, CompletingMethod):
    """Predict what is hidden of images by their context.

    Args:
        generator: builds the generator from `image_shape` and `output_shape`, that of its predictions.
        discriminator: builds the discriminator from `image_shape`, that of what it sees; D before its sigmoid.
        image_shape: (C, S, S) of the data.
        masks: which part is hidden in training: the "center", as in the paper, or a "random" one.
        l2_weight: of the squared error in the generator's loss.
        adversarial_weight: of the adversarial term; 0 for the squared error alone.
        overlap: known pixels around the hole that are predicted, too.
        overlap_weight: w of these.
        objective: of the adversarial term, see `losses.make_objective`.
        settings: those of `AdversarialMethod`.

    Raises:
        ValueError: an argument is out of range, or the overlap leaves nothing to hide.
    """

    def __init__(
        self,
        generator: Callable[..., nn.Module],
        discriminator: Callable[..., nn.Module],
        image_shape: Sequence[int],
        *,
        masks: MaskKind = "center",
        l2_weight: float = 0.999,
        adversarial_weight: float = 0.001,
        overlap: int = 4,
        overlap_weight: float = 10.0,
        objective: ObjectiveName = "non_saturating",
        **settings: Any,
    ) -> None:
        expect_choice("masks", masks, MaskKind)
        for name, value in (("l2_weight", l2_weight), ("adversarial_weight", adversarial_weight),
                            ("overlap", overlap), ("overlap_weight", overlap_weight)):  # fmt: skip
            if value < 0:
                raise ValueError(f"{name} must be at least 0, not {value}")
        channels, height, width = image_shape
        if masks == "center" and 4 * overlap >= min(height, width):
            raise ValueError(f"overlap={overlap} leaves nothing to hide of the center of {height} x {width} pixels")
        seen = (channels, height // 2, width // 2) if masks == "center" else tuple(image_shape)
        super().__init__(
            generator(image_shape=image_shape, output_shape=seen), discriminator(image_shape=seen), **settings
        )
        self.medium = Images(image_shape)
        self.condition = MaskedImages(image_shape)
        self.masks: MaskKind = masks
        self.margin = overlap
        self.l2_weight = l2_weight
        self.adversarial_weight = adversarial_weight
        self.overlap_weight = overlap_weight
        self.objective = make_objective(objective)

    def complete(self, network: Callable[..., Tensor], known: Tensor, mask: Tensor) -> Tensor:
        """Return a network's whole images of known pixels; of a center alone there is zero around it."""
        predicted = network(known * mask)
        if self.masks == "random":
            return predicted
        rows, columns = ((whole - part) // 2 for whole, part in zip(known.shape[2:], predicted.shape[2:], strict=True))
        return pad(predicted, (columns, columns, rows, rows))

    def discriminator_loss(self, batch: Batch) -> Loss:
        """-E[log D(x)] - E[log(1 - D(x'))], or the chosen objective's loss."""
        mask = self.fresh_masks(batch.x)
        with torch.no_grad():
            predicted = self.complete(self.generator, batch.x, mask)
        real, fake = self.discriminator(self.seen(batch.x)), self.discriminator(self.shown(predicted, batch.x, mask))
        figures = {"adversary/d_real": real.sigmoid().mean(), "adversary/d_fake": fake.sigmoid().mean()}
        return self.objective.discriminator(real, fake), figures

    def generator_loss(self, batch: Batch) -> Loss:
        """Return the weighted squared error, and the adversarial term."""
        x, mask = batch.x, self.fresh_masks(batch.x)
        predicted = self.complete(self.generator, x, mask)
        weights, count = region_weights(mask, self.margin, self.overlap_weight)
        l2 = (weights * (x - predicted).square()).sum() / (count * x.shape[1])
        loss, figures = self.l2_weight * l2, {"loss/l2": l2}
        if self.adversarial_weight:
            adversarial = self.objective.generator(self.discriminator(self.shown(predicted, x, mask)))
            loss, figures = loss + self.adversarial_weight * adversarial, figures | {"loss/adversarial": adversarial}
        return loss, figures

    def seen(self, images: Tensor) -> Tensor:
        """Return what the discriminator sees of images: the middle half if that is what is predicted."""
        if self.masks == "random":
            return images
        (top, height), (left, width) = ((side // 4, side // 2) for side in images.shape[2:])
        return images[:, :, top : top + height, left : left + width]

    def shown(self, predicted: Tensor, x: Tensor, mask: Tensor) -> Tensor:
        """Return what it sees of predictions; of whole images the known part is the images' own."""
        return self.seen(torch.where(mask.bool(), x, predicted) if self.masks == "random" else predicted)


def region_weights(mask: Tensor, overlap: int, overlap_weight: float) -> tuple[Tensor, Tensor]:
    """Return the weights (B, 1, H, W) of pixels in the squared error, and the number of those that are predicted.

    Args:
        mask: 1 where pixels are known and 0 where they are hidden, (B, 1, H, W).
        overlap: pixels around the hole that are predicted, too.
        overlap_weight: weight of these; that of hidden pixels is 1, and of others 0.
    """
    hidden = 1 - mask
    near = max_pool2d(hidden, 2 * overlap + 1, stride=1, padding=overlap)
    return hidden + overlap_weight * near * mask, near.sum().clamp(min=1)
