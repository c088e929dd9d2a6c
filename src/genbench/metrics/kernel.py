"""Maximum mean discrepancy (MMD): the kernel Inception distance (KID), and a two-sample test."""

import numpy as np
import torch
from torch import Tensor


def kernel_distance(
    generated: Tensor, reference: Tensor, subsets: int = 100, subset_size: int = 1000, seed: int = 2020
) -> tuple[float, float]:
    """Return KID, the mean and the standard deviation over random subsets (Binkowski et al. 2018).

    It is the unbiased estimate of the squared MMD under the kernel (x.y / D + 1)^3, so it may be slightly negative
    (https://arxiv.org/abs/1801.01401). The subsets are those that torch-fidelity draws from the same seed.

    Args:
        generated: features (N, D).
        reference: features (M, D).
        subsets: how many pairs of subsets.
        subset_size: images of a subset; at most N and M.
        seed: of the subsets.

    Raises:
        ValueError: there are fewer images than `subset_size`, or fewer than two in a subset.
    """
    if not 2 <= subset_size <= min(len(generated), len(reference)):
        raise ValueError(
            f"KID over subsets of {subset_size} images takes as many generated and reference images, and there are "
            f"{len(generated)} and {len(reference)}"
        )
    random = np.random.RandomState(seed)
    values = []
    for _ in range(subsets):
        # Alternately from the two sets, in torch-fidelity's order.
        x, y = (
            features[torch.from_numpy(random.choice(len(features), subset_size, replace=False))].double()
            for features in (generated, reference)
        )
        values.append(_unbiased_discrepancy(_polynomial(x, x), _polynomial(y, y), _polynomial(x, y)))
    return float(np.mean(values)), float(np.std(values))


def _polynomial(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _unbiased_discrepancy(k_xx: Tensor, k_yy: Tensor, k_xy: Tensor) -> float:
    within = sum((kernel.sum() - kernel.trace()) / (len(kernel) * (len(kernel) - 1)) for kernel in (k_xx, k_yy))
    return float(within - 2 * k_xy.mean())


def discrepancy_test(x: Tensor, y: Tensor, permutations: int = 500, seed: int = 0) -> tuple[float, float]:
    """Return the squared maximum mean discrepancy of two sets and the p-value of equal distributions.

    The kernel is Gaussian with the median distance as its width; the p-value is the fraction of random permutations,
    including the identity, whose discrepancy is at least as large (Gretton et al. 2012, JMLR 13).

    Args:
        x: (N, D).
        y: (M, D).
        permutations: how many.
        seed: of the permutations.
    """
    joined = torch.cat([x, y]).double()
    squares = torch.cdist(joined, joined).square()
    off_diagonal = squares[~torch.eye(len(joined), dtype=torch.bool)]
    # All points are equal: any width gives zero.
    kernel = (-squares / off_diagonal.median().clamp_min(torch.finfo(torch.float64).tiny)).exp()
    kernel.fill_diagonal_(0)
    generator = torch.Generator().manual_seed(seed)
    labels = torch.zeros(permutations + 1, len(joined), dtype=torch.float64)
    labels[0, : len(x)] = 1
    for row in labels[1:]:
        row[torch.randperm(len(joined), generator=generator)[: len(x)]] = 1
    others = 1 - labels
    n, m = len(x), len(y)
    towards_x = labels @ kernel
    within_x = (towards_x * labels).sum(1) / (n * (n - 1))
    within_y = ((others @ kernel) * others).sum(1) / (m * (m - 1))
    values = within_x + within_y - 2 * (towards_x * others).sum(1) / (n * m)
    # Rounding must not make a permutation that changes nothing look smaller.
    p_value = float((values >= values[0] - 1e-12).double().mean())
    return float(values[0]), p_value
