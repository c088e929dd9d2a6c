"""The peak signal-to-noise ratio of samples against their targets."""

from torch import Tensor

from genbench.metrics.pairs import PairScore

_LEAST_ERROR = 1 / 12
"""Mean squared error of rounding to whole levels, which stands for 0, so that the ratio is finite."""


class Psnr(PairScore):
    """The mean over images of 10 log10(255^2 / MSE), in decibels, on uint8 levels.

    The mean is of each image's ratio, not the ratio of the mean error. An image that equals its target has the ratio of
    an error of rounding alone, 58.92 dB, so that one such image does not make the mean infinite.
    """

    figures = {"psnr": "higher"}

    def compare(self, samples: Tensor, targets: Tensor) -> Tensor:
        """Return the ratio of each image in decibels, (B,)."""
        error = (samples.double() - targets.double()).square().flatten(1).mean(1)
        return 10 * (255**2 / error.clamp_min(_LEAST_ERROR)).log10()
