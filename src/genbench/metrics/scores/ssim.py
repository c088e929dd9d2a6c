"""The structural similarity of samples to their targets."""

from typing import Any

from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from genbench.medium import Images
from genbench.metrics.material import Material
from genbench.metrics.pairs import PairScore
from genbench.metrics.score import Setting

_SMALLEST = 6
"""Pixels of a side: a window of 11 is padded by 5, by reflection."""


class Ssim(PairScore):
    """The mean over images of the structural similarity index (Wang et al. 2004, doi:10.1109/TIP.2003.819861).

    torchmetrics' implementation: Gaussian windows of 11 pixels with a deviation of 1.5, intensities on [0, 1], channels
    averaged. It is 1 for equal images. It is not the same on [-1, 1]: the index is made for intensities of at least 0.
    """

    figures = {"ssim": "higher"}
    chosen = "always"

    def unsuited(self, setting: Setting) -> str | None:
        """Return that the images are smaller than half a window, where they are."""
        if isinstance(setting.medium, Images) and min(setting.medium.shape[1:]) < _SMALLEST:
            return f"its windows take images of at least {_SMALLEST} pixels a side"
        return super().unsuited(setting)

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return the range of intensities, which was [-1, 1] in earlier versions."""
        return super().protocol(material) | {"ssim": {"range": [0, 1]}}

    def compare(self, samples: Tensor, targets: Tensor) -> Tensor:
        """Return the index of each image, (B,)."""
        x, y = samples.float() / 255, targets.float() / 255
        similarity = structural_similarity_index_measure(x, y, data_range=1.0, reduction="none")
        assert isinstance(similarity, Tensor)
        return similarity
