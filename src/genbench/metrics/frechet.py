"""The Frechet distance between two sets of features (Heusel et al. 2017, https://arxiv.org/abs/1706.08500)."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


def frechet_distance(mean_1: Tensor, covariance_1: Tensor, mean_2: Tensor, covariance_2: Tensor) -> float:
    """Return |mean_1 - mean_2|^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2)), the squared 2-Wasserstein distance of Gaussians.

    The trace of the root is taken from the symmetric C_1^(1/2) C_2 C_1^(1/2), whose eigenvalues are those of C_1 C_2
    and are clipped at zero: no imaginary parts, also where a covariance is singular.

    Args:
        mean_1: (D,) of any precision; the arithmetic is in float64.
        covariance_1: (D, D), symmetric.
        mean_2: (D,).
        covariance_2: (D, D), symmetric.

    Returns:
        The distance, at least 0.
    """
    mean_1, covariance_1, mean_2, covariance_2 = (
        tensor.double().cpu() for tensor in (mean_1, covariance_1, mean_2, covariance_2)
    )
    values, vectors = torch.linalg.eigh(covariance_1)
    root_1 = vectors * values.clamp_min(0).sqrt() @ vectors.T
    root_trace = torch.linalg.eigvalsh(root_1 @ covariance_2 @ root_1).clamp_min(0).sqrt().sum()
    distance = (mean_1 - mean_2).square().sum() + covariance_1.trace() + covariance_2.trace() - 2 * root_trace
    return max(0.0, float(distance))


class GaussianStatistics(Metric):
    """Mean and covariance of features, streamed in float64 and summed over processes.

    Args:
        dim: length D of a feature vector.
    """

    full_state_update = False
    total: Tensor
    outer_total: Tensor
    count: Tensor

    def __init__(self, dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_dtype(torch.float64)
        self.add_state("total", torch.zeros(dim, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("outer_total", torch.zeros(dim, dim, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, features: Tensor) -> None:
        """Add features (B, D)."""
        features = features.double()
        self.total += features.sum(0)
        self.outer_total += features.T @ features
        self.count += len(features)

    def compute(self) -> tuple[Tensor, Tensor]:
        """Return the mean (D,) and the unbiased covariance (D, D) of what all processes added.

        Raises:
            ValueError: fewer than two feature vectors were added.
        """
        if self.count < 2:
            raise ValueError(f"a covariance takes at least 2 images, not {int(self.count)}")
        mean = self.total / self.count
        covariance = (self.outer_total - self.count * torch.outer(mean, mean)) / (self.count - 1)
        return mean, covariance
