"""Fill in a part of images (RePaint of diffusion models: Lugmayr et al. 2022, https://arxiv.org/abs/2201.09865).

Example:
    python -m genbench edit editor=inpaint run=FOLDER mask=bottom images=DIR
"""

from typing import ClassVar

from torch import Tensor

from genbench.abilities import FillsIn
from genbench.editing.base import Editor, EditResult, Input, Inputs, fraction_of_range
from genbench.medium import Images
from genbench.randomness import Noise


class Inpaint(Editor):
    """Fill in the masked part of each image.

    Args:
        method: what fills it in.

    Raises:
        ValueError: it draws no images.
    """

    takes: ClassVar[frozenset[Input]] = frozenset({"images", "mask", "asked condition"})
    scores = {
        "filled_l1": "mean absolute difference between the filled-in pixels and those of the image, as a fraction of a "
        "pixel's range, in [0, 1]"
    }

    def __init__(self, method: FillsIn) -> None:
        if not isinstance(method.medium, Images):
            raise ValueError("it fills in images, and the method draws none")
        self.method = method
        self.medium = method.medium

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return images whose known pixels are those of the given ones."""
        images, mask = inputs.images, inputs.mask
        assert images is not None
        assert mask is not None
        filled = self.method.inpaint(images, mask, inputs.condition, noise=noise)
        pictures = self.medium.store(self.medium.check(filled, inputs.count)).cpu()
        return EditResult(pictures, scores={"filled_l1": _mean_over_hole(pictures, self.medium.store(images), mask)})


def _mean_over_hole(filled: Tensor, images: Tensor, mask: Tensor) -> Tensor:
    """Return the mean difference (B,) of uint8 images (B, C, H, W) where the mask (H, W) is 0."""
    return fraction_of_range(filled, images)[..., mask == 0].flatten(1).mean(1)
