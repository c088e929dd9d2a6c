"""Nearest-neighbour scores in feature space: fidelity, coverage and memorisation.

All need the same distances, which are computed once, in blocks, so that 50,000 by 50,000 images fit in memory.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

_BLOCK = 2048


@dataclass(frozen=True)
class NeighbourScores:
    """Scores from k-nearest-neighbour balls; fractions are from 0 to 1.

    Attributes:
        precision: fraction of samples at most the k-th neighbour's distance from some real image (Kynkaanniemi et al.
            2019, https://arxiv.org/abs/1904.06991).
        recall: fraction of real images at most the k-th neighbour's distance from some sample.
        density: mean number of real neighbourhoods that contain a sample, divided by k; may exceed 1 (Naeem et al.
            2020, https://arxiv.org/abs/2002.09797). A sample exactly at the radius is outside, as in their code (prdc),
            whereas in precision and recall it is inside, as in their authors'.
        density_std: the standard error of that mean.
        coverage: fraction of real images with a sample in their neighbourhood, which excludes the radius as in density.
        nearest: distance of each sample to its nearest real image, (N,).
    """

    precision: float
    recall: float
    density: float
    density_std: float
    coverage: float
    nearest: Tensor


def neighbour_scores(generated: Tensor, reference: Tensor, k: int = 3) -> NeighbourScores:
    """Return precision, recall, density, coverage and nearest distances of features (N, D) and (M, D).

    Distances are squared, in float32, from matrix products of centred features; only blocks of them are in memory.

    Args:
        generated: features of samples.
        reference: features of real images.
        k: the neighbour whose distance is a neighbourhood's radius; a point is not its own neighbour.

    Raises:
        ValueError: a set has at most k images.
    """
    if min(len(generated), len(reference)) <= k:
        raise ValueError(
            f"neighbourhoods of {k} take more than {k} images, and there are {len(generated)} and {len(reference)}"
        )
    centre = reference.double().mean(0)
    x, y = ((features.double() - centre).float() for features in (generated, reference))
    radius_x, radius_y = _radii(x, k), _radii(y, k)
    x_norms, y_norms = x.square().sum(1), y.square().sum(1)
    precise = torch.zeros(len(x), dtype=torch.bool)
    in_real = torch.zeros(len(x), dtype=torch.long)
    nearest = torch.empty(len(x))
    recalled = torch.zeros(len(y), dtype=torch.bool)
    covered = torch.zeros(len(y), dtype=torch.bool)
    for begin in range(0, len(x), _BLOCK):
        rows = slice(begin, begin + _BLOCK)
        squares = _squares(x[rows], x_norms[rows], y, y_norms)
        precise[rows] = (squares <= radius_y).any(1)
        inside = squares < radius_y
        in_real[rows] = inside.sum(1)
        covered |= inside.any(0)
        recalled |= (squares <= radius_x[rows, None]).any(0)
        nearest[rows] = squares.amin(1).sqrt()
    return NeighbourScores(
        precision=float(precise.double().mean()),
        recall=float(recalled.double().mean()),
        density=float(in_real.double().mean()) / k,
        density_std=float(in_real.double().std()) / k / len(x) ** 0.5,
        coverage=float(covered.double().mean()),
        nearest=nearest,
    )


def nearest_distances(queries: Tensor, reference: Tensor) -> Tensor:
    """Return the distance of each query (N, D) to its nearest neighbour among (M, D), as (N,)."""
    centre = reference.double().mean(0)
    x, y = ((features.double() - centre).float() for features in (queries, reference))
    x_norms, y_norms = x.square().sum(1), y.square().sum(1)
    blocks = range(0, len(x), _BLOCK)
    parts = [slice(begin, begin + _BLOCK) for begin in blocks]
    return torch.cat([_squares(x[part], x_norms[part], y, y_norms).amin(1).sqrt() for part in parts])


def _radii(points: Tensor, k: int) -> Tensor:
    """Return the squared distance of each point to its k-th neighbour."""
    norms = points.square().sum(1)
    radii = torch.empty(len(points))
    for begin in range(0, len(points), _BLOCK):
        rows = slice(begin, begin + _BLOCK)
        squares = _squares(points[rows], norms[rows], points, norms)
        # The first is the distance to itself.
        radii[rows] = squares.topk(k + 1, dim=1, largest=False, sorted=True).values[:, k]
    return radii


def _squares(x: Tensor, x_norms: Tensor, y: Tensor, y_norms: Tensor) -> Tensor:
    """Return squared distances (N, M)."""
    return torch.addmm(y_norms, x, y.T, alpha=-2).add_(x_norms.unsqueeze(1)).clamp_min_(0)
