"""FID of infinitely many samples (Chong and Forsyth 2020, https://arxiv.org/abs/1911.07023).

FID is biased by the number of samples, by about c / N with a c that depends on the generator: two methods may change
places with N. The value at 1 / N = 0 of a line through FIDs of several N is free of the leading term.
"""

import numpy as np
import torch
from torch import Tensor

from genbench.metrics.frechet import frechet_distance


def frechet_at_infinity(
    features: Tensor, mean: Tensor, covariance: Tensor, points: int = 15, smallest: int | None = None, seed: int = 0
) -> float:
    """Return the Frechet distance to a reference extrapolated to infinitely many samples.

    Args:
        features: of the samples, (N, D).
        mean: of the reference, (D,).
        covariance: of the reference, (D, D).
        points: how many sample sizes, evenly spaced up to N.
        smallest: the least of them; by default a tenth of N, but more than D, where the line bends.
        seed: of the random subsets.

    Raises:
        ValueError: there are not enough samples for sizes that differ.
    """
    count, dimensions = features.shape
    smallest = max(count // 10, dimensions + 2) if smallest is None else smallest
    sizes = np.unique(np.linspace(smallest, count, points).astype(int))
    if smallest >= count or len(sizes) < 3:
        raise ValueError(
            f"an extrapolation takes more than {smallest} samples for features of {dimensions} dimensions, not {count}"
        )
    generator = torch.Generator().manual_seed(seed)
    distances = []
    for size in sizes:
        chosen = features[torch.randperm(count, generator=generator)[: int(size)]].double()
        distances.append(frechet_distance(mean, covariance, chosen.mean(0), chosen.T.cov()))
    return float(np.polynomial.Polynomial.fit(1 / sizes, distances, 1)(0.0))
