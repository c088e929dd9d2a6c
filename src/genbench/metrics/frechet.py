"""The Frechet distance between two sets of features (Heusel et al. 2017, https://arxiv.org/abs/1706.08500)."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


def frechet_distance(mean_1: Tensor, covariance_1: Tensor, mean_2: Tensor, covariance_2: Tensor) -> float:
    """Return |mean_1 - mean_2|^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2)), the squared 2-Wasserstein distance of Gaussians.

    With C_1 = F F^T the eigenvalues of C_1 C_2 are those of the symmetric F^T C_2 F: real, and clipped at zero where
    rounding made them negative. F is a Cholesky factor, or the symmetric root where C_1 is singular.

    Args:
        mean_1: (D,), of any precision; computed in float64.
        covariance_1: (D, D), symmetric.
        mean_2: (D,).
        covariance_2: (D, D), symmetric.

    Returns:
        The distance, at least 0.
    """
    mean_1, covariance_1, mean_2, covariance_2 = (
        tensor.double().cpu() for tensor in (mean_1, covariance_1, mean_2, covariance_2)
    )
    factor, failed = torch.linalg.cholesky_ex(covariance_1)
    # A rank-deficient covariance may pass with pivots that are rounding errors.
    pivots = factor.diagonal().square()
    if failed or pivots.min() < len(pivots) * torch.finfo(torch.float64).eps * pivots.max():
        values, vectors = torch.linalg.eigh(covariance_1)
        factor = vectors * values.clamp_min(0).sqrt()
    root_trace = torch.linalg.eigvalsh(factor.T @ covariance_2 @ factor).clamp_min(0).sqrt().sum()
    return _distance(mean_1, covariance_1.trace(), mean_2, covariance_2.trace(), root_trace)


def frechet_distance_of_features(features_1: Tensor, features_2: Tensor) -> float:
    """Return the Frechet distance of features (N, D) and (M, D), by the cheaper method.

    With fewer features than dimensions the trace of the root is that of an N x M matrix: with centred X and Y it is the
    sum of the singular values of X Y^T, divided by sqrt((N - 1) (M - 1)).
    """
    features_1, features_2 = features_1.double().cpu(), features_2.double().cpu()
    if min(len(features_1), len(features_2)) >= features_1.shape[1]:
        return frechet_distance(*_moments(features_1), *_moments(features_2))
    mean_1, mean_2 = features_1.mean(0), features_2.mean(0)
    rows_1 = (features_1 - mean_1) / (len(features_1) - 1) ** 0.5
    rows_2 = (features_2 - mean_2) / (len(features_2) - 1) ** 0.5
    if len(rows_1) > len(rows_2):
        rows_1, rows_2 = rows_2, rows_1
    dimensions = rows_1.shape[1]
    if len(rows_2) > dimensions:
        # The covariance is that of the larger set: X C_2 X^T is N x N.
        gram = rows_1 @ (rows_2.T @ rows_2) @ rows_1.T
        root_trace = torch.linalg.eigvalsh(gram).clamp_min(0).sqrt().sum()
    else:
        root_trace = torch.linalg.svdvals(rows_1 @ rows_2.T).sum()
    return _distance(mean_1, rows_1.square().sum(), mean_2, rows_2.square().sum(), root_trace)


def _distance(mean_1: Tensor, trace_1: Tensor, mean_2: Tensor, trace_2: Tensor, root_trace: Tensor) -> float:
    return max(0.0, float((mean_1 - mean_2).square().sum() + trace_1 + trace_2 - 2 * root_trace))


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    return features.mean(0), features.T.cov()


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
        """Return the mean (D,) and the unbiased covariance (D, D) of the features of all processes.

        Raises:
            ValueError: fewer than two feature vectors were added.
        """
        if self.count < 2:
            raise ValueError(f"a covariance takes at least 2 images, not {int(self.count)}")
        mean = self.total / self.count
        covariance = (self.outer_total - self.count * torch.outer(mean, mean)) / (self.count - 1)
        return mean, covariance
