"""The mean absolute error of samples against their targets."""

from torch import Tensor

from genbench.images import to_float
from genbench.metrics.pairs import PairScore


class Mae(PairScore):
    """Mean |x - y| over pixels and images, on [-1, 1]: a difference of one level of 255 is 2 / 255."""

    figures = {"mae": "lower"}
    chosen = "always"

    def compare(self, samples: Tensor, targets: Tensor) -> Tensor:
        """Return the mean absolute error of each image, (B,)."""
        return (to_float(samples) - to_float(targets)).abs().flatten(1).mean(1)
