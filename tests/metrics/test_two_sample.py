"""Two-sample tests: their size where the sets are alike, their power where they are not."""

import pytest
import torch

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
