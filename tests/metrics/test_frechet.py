"""The Frechet distance against closed forms, scipy and torch-fidelity."""

import numpy as np
import pytest
import scipy.linalg
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from genbench.metrics.frechet import GaussianStatistics, frechet_distance, frechet_distance_of_features


def statistics_of(*parts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    statistics = GaussianStatistics(parts[0].shape[1])
    for part in parts:
        statistics.update(part)
    return statistics.compute()


def features(count: int, dim: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dim, dim, generator=generator)
    return torch.randn(count, dim, generator=generator) @ mixing + torch.randn(dim, generator=generator)


def test_gaussians_with_a_known_distance() -> None:
    # For diagonal covariances the distance is |m1 - m2|^2 + sum (s1 - s2)^2.
    m1, m2 = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([3.0, 1.0, -2.0])
    s1, s2 = torch.tensor([1.0, 2.0, 0.0]), torch.tensor([2.0, 0.5, 3.0])
    distance = frechet_distance(m1, s1.square().diag(), m2, s2.square().diag())
    assert distance == pytest.approx(9 + 16 + 1 + 2.25 + 9)


def test_a_set_is_at_distance_zero_from_itself() -> None:
    mean, covariance = statistics_of(features(500, 16, 0))
    assert frechet_distance(mean, covariance, mean, covariance) == pytest.approx(0, abs=1e-6)


def test_it_is_symmetric() -> None:
    one, two = statistics_of(features(300, 12, 0)), statistics_of(features(400, 12, 1))
    assert frechet_distance(*one, *two) == pytest.approx(frechet_distance(*two, *one), rel=1e-9)


@pytest.mark.parametrize("count", [2000, 40])
def test_agrees_with_scipys_matrix_root_and_torch_fidelity(count: int) -> None:
    # 40 features of 64 dimensions have singular covariances.
    one, two = features(count, 64, 0), features(count + 7, 64, 1)
    distance = frechet_distance(*statistics_of(one), *statistics_of(two))
    theirs = (fid_features_to_statistics(part.double()) for part in (one, two))
    fidelity = fid_statistics_to_metric(*theirs, verbose=False)["frechet_inception_distance"]
    assert distance == pytest.approx(fidelity, rel=1e-4)
    c1, c2 = (np.cov(part.double().numpy(), rowvar=False) for part in (one, two))
    root = scipy.linalg.sqrtm(c1 @ c2)
    expected = np.square(one.double().mean(0) - two.double().mean(0)).sum() + np.trace(c1 + c2 - 2 * root.real)
    assert distance == pytest.approx(float(expected), rel=1e-4)


def test_statistics_stream_to_what_numpy_says_of_the_whole() -> None:
    whole = features(1000, 8, 3) + 100
    mean, covariance = statistics_of(whole[:1], whole[1:400], whole[400:])
    np.testing.assert_allclose(mean, whole.double().mean(0), rtol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(whole.double().numpy(), rowvar=False), rtol=1e-8, atol=1e-8)


def test_one_image_has_no_covariance() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        statistics_of(features(1, 4, 0))


@pytest.mark.parametrize(("count", "other"), [(20, 30), (20, 500), (500, 20), (300, 400), (64, 65), (63, 64)])
def test_features_and_moments_give_one_distance(count: int, other: int) -> None:
    one, two = features(count, 64, 0), features(other, 64, 1)
    expected = frechet_distance(*statistics_of(one), *statistics_of(two))
    assert frechet_distance_of_features(one, two) == pytest.approx(expected, rel=1e-6)


def test_a_covariance_of_small_rank_is_no_trouble() -> None:
    """All variance along one line: the distance is that of two normal distributions on it."""
    direction = torch.zeros(32).index_fill_(0, torch.tensor([5]), 1.0)
    one, two = (scale * torch.randn(1000, 1, dtype=torch.float64) * direction for scale in (1.0, 3.0))
    s1, s2 = one.std(0).sum(), two.std(0).sum()
    expected = float((one.mean(0) - two.mean(0)).square().sum() + (s1 - s2) ** 2)
    assert frechet_distance(*statistics_of(one), *statistics_of(two)) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance_of_features(one, two) == pytest.approx(expected, rel=1e-6)
