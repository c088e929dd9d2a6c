"""The Frechet distance extrapolated to infinitely many samples; see `extrapolation`."""

import torch

from genbench.metrics.difference import random_halves
from genbench.metrics.extrapolation import can_extrapolate, fewest_samples, frechet_at_infinity
from genbench.metrics.features import FeatureSet
from genbench.metrics.material import Material
from genbench.metrics.score import Score, Setting

_MOST_HALVES = 5
"""Each takes many distances."""


class FidInfinity(Score):
    """The distance at 1 / N = 0, and its standard error by random halves of the generated set, five at most.

    Args:
        halves: random halves for the standard error; 0 for none.
    """

    figures = {"fid_infinity": "lower"}
    needs_features = True
    needs_reference = "statistics"

    def __init__(self, halves: int = 0) -> None:
        self.halves = halves

    def too_few(self, setting: Setting) -> str | None:
        """Return why there are not enough samples for lines of several sizes."""
        least = fewest_samples(setting.dimensions)
        if setting.generated >= least:
            return None
        return f"it takes at least {least:,} samples, and there are {setting.generated:,}"

    def compute(self, material: Material) -> dict[str, float]:
        """Return the distance, and its standard error if half of the samples are enough for one."""
        reference = material.reference

        def extrapolate(generated: FeatureSet) -> float:
            return frechet_at_infinity(generated.features, reference.mean, reference.covariance)

        values = {"fid_infinity": extrapolate(material.generated)}
        halves = min(self.halves, _MOST_HALVES)
        count, dimensions = material.generated.features.shape
        # Half of a small set may be too small to extrapolate from.
        if halves > 1 and can_extrapolate(count // 2, dimensions):
            found = [extrapolate(half) for half in random_halves(material.generated, halves)]
            values["fid_infinity_std"] = float(torch.tensor(found).std())
        return values
