"""FID of infinitely many samples (Chong and Forsyth 2020, https://arxiv.org/abs/1911.07023).

FID is biased by the number of samples, by about c / N with a c that depends on the generator: two methods may change
places with N. The value at 1 / N = 0 of a line through FIDs of several N is free of the leading term.
"""

import numpy as np
import torch
from torch import Tensor

from genbench.metrics.frechet import frechet_distance

_POINTS = 15
"""Sample sizes on the line."""


def frechet_at_infinity(features: Tensor, mean: Tensor, covariance: Tensor, seed: int = 0) -> float:
    """Return the Frechet distance to a reference extrapolated to infinitely many samples.

    The sample sizes are evenly spaced from a tenth of N, but more than D, below which the line bends, up to N.

    Args:
        features: of the samples, (N, D).
        mean: of the reference, (D,).
        covariance: of the reference, (D, D).
        seed: of the random subsets.

    Raises:
        ValueError: there are not enough samples for sizes that differ.
    """
    count, dimensions = features.shape
    if not can_extrapolate(count, dimensions):
        raise ValueError(
            f"an extrapolation takes at least {fewest_samples(dimensions)} samples for features of {dimensions} "
            f"dimensions, not {count}"
        )
    sizes = np.unique(np.linspace(_smallest(count, dimensions), count, _POINTS).astype(int))
    generator = torch.Generator().manual_seed(seed)
    distances = []
    for size in sizes:
        chosen = features[torch.randperm(count, generator=generator)[: int(size)]].double()
        distances.append(frechet_distance(mean, covariance, chosen.mean(0), chosen.T.cov()))
    return float(np.polynomial.Polynomial.fit(1 / sizes, distances, 1)(0.0))


def can_extrapolate(count: int, dimensions: int) -> bool:
    """Whether so many samples make at least three sizes."""
    return count >= fewest_samples(dimensions)


def fewest_samples(dimensions: int) -> int:
    """Return how many samples it takes to make three sizes of more than D each."""
    return dimensions + 4


def _smallest(count: int, dimensions: int) -> int:
    return max(count // 10, dimensions + 2)
