"""FID of infinitely many samples (Chong and Forsyth 2020, https://arxiv.org/abs/1911.07023).

FID has a bias of about c / N, where c depends on the generator, so the ranking of two methods may change with N. The
value at 1 / N = 0 of a line fitted to FIDs for several N is free of the leading term.
"""

import numpy as np
import torch
from torch import Tensor

from genbench.metrics.frechet import frechet_distance

_POINTS = 15
"""Sample sizes on the line."""


def frechet_at_infinity(features: Tensor, mean: Tensor, covariance: Tensor, seed: int = 0) -> float:
    """Return the Frechet distance to a reference extrapolated to infinitely many samples.

    The sample sizes are evenly spaced up to N, from a tenth of N but more than D, below which FID is not linear.

    Args:
        features: of the samples, (N, D).
        mean: of the reference, (D,).
        covariance: of the reference, (D, D).
        seed: of the random subsets.

    Raises:
        ValueError: there are not enough samples for different sizes.
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
    """Return whether there are enough samples for at least three sizes."""
    return count >= fewest_samples(dimensions)


def fewest_samples(dimensions: int) -> int:
    """Return the smallest number of samples that gives three sizes of more than D each."""
    return dimensions + 4


def _smallest(count: int, dimensions: int) -> int:
    return max(count // 10, dimensions + 2)
