"""Two-sample tests: their size where the sets are alike, their power where they are not."""

import pytest
import torch
from scipy import stats

from genbench.metrics.two_sample import classifier_test, means_test, variances_test


def normal(seed: int, count: int = 200, dim: int = 4) -> torch.Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def test_sets_that_are_alike_are_rarely_told_apart() -> None:
    for test in (means_test, variances_test, classifier_test):
        rejected = sum(test(normal(seed), normal(seed + 500)).p_value < 0.05 for seed in range(40))
        assert rejected <= 6, test


def test_each_test_sees_what_it_is_for() -> None:
    x, shifted, wider = normal(0), normal(1) + torch.tensor([0, 0, 0.6, 0]), normal(2) * torch.tensor([1, 2, 1, 1])
    assert means_test(x, shifted).p_value < 1e-3
    assert variances_test(x, wider).p_value < 1e-3
    assert means_test(x, wider).p_value > 0.01
    assert variances_test(x, shifted).p_value > 0.01
    result = classifier_test(x, shifted * 1.0 + 1)
    assert result.statistic > 0.7
    assert result.p_value < 1e-6


def test_the_means_are_compared_by_welchs_t_and_all_dimensions_count() -> None:
    x, y = normal(0, 60), 1.5 * normal(1, 90) + torch.tensor([0, 0.2, -0.9, 0.1])
    x_share, y_share = x[:, 2].double().var() / 60, y[:, 2].double().var() / 90
    t = (y[:, 2].double().mean() - x[:, 2].double().mean()) / (x_share + y_share).sqrt()
    freedom = (x_share + y_share) ** 2 / (x_share**2 / 59 + y_share**2 / 89)
    found = means_test(x, y)
    assert found.statistic == pytest.approx(t.abs().item(), rel=1e-6)
    assert found.p_value == pytest.approx(4 * 2 * stats.t.sf(t.abs().item(), freedom.item()), rel=1e-6)


def test_the_variances_are_compared_by_brown_and_forsythes_test() -> None:
    # An odd number has one median.
    x, y = normal(0, 61), normal(1, 91) * torch.tensor([1, 1.9, 1, 1])
    expected = stats.levene(x[:, 1].double(), y[:, 1].double(), center="median")
    found = variances_test(x, y)
    # With two groups F is the square of t.
    assert found.statistic**2 == pytest.approx(expected.statistic, rel=1e-6)
    assert found.p_value == pytest.approx(4 * expected.pvalue, rel=1e-5)


def test_a_classifier_that_is_never_wrong_is_as_likely_as_as_many_heads() -> None:
    x = normal(0, 15)
    assert classifier_test(x, x + 100) == (1, pytest.approx(2**-30))


def test_constant_dimensions_do_not_matter_and_constants_that_differ_do() -> None:
    x, y = normal(0), normal(1)
    x[:, 2] = y[:, 2] = 3
    assert 0 < means_test(x, y).p_value <= 1
    x[:, 2] = 4
    assert means_test(x, y).p_value == 0
    same = torch.ones(10, 3)
    assert means_test(same, same) == (0, 1)
    with pytest.raises(ValueError, match="equal size"):
        classifier_test(x, y[:-1])
