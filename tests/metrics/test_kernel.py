"""Kernel distances against torch-fidelity, and the permutation test's size and power."""

import math

import pytest
import torch
from torch_fidelity.metric_kid import kid_features_to_metric

from genbench.metrics.kernel import discrepancy_test, kernel_distance


def normal(count: int, dim: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)) + shift


def test_kid_is_torch_fidelitys_on_the_same_subsets() -> None:
    x, y = normal(300, 24, 0), normal(250, 24, 1, 0.4)
    theirs = kid_features_to_metric(x, y, kid_subsets=8, kid_subset_size=100, verbose=False)
    assert kernel_distance(x, y, 8, 100) == pytest.approx(tuple(theirs.values()), rel=1e-5)


def test_kid_is_unbiased_around_zero() -> None:
    mean, deviation = kernel_distance(normal(2000, 8, 0), normal(2000, 8, 1), 100, 200)
    assert abs(mean) < deviation
    with pytest.raises(ValueError, match=r"subsets of 1000 images .* 300 and 250"):
        kernel_distance(normal(300, 8, 0), normal(250, 8, 1))


def test_the_discrepancy_is_its_definition_for_every_pair() -> None:
    x, y = normal(5, 3, 0), normal(7, 3, 1, 0.5)
    points = torch.cat([x, y]).double()
    squares = [float((a - b).square().sum()) for a in points for b in points if not a.equal(b)]
    width = torch.tensor(squares, dtype=torch.float64).median().item()

    def total(one: torch.Tensor, other: torch.Tensor) -> float:
        pairs = [(a, b) for a in one.double() for b in other.double() if not a.equal(b)]
        return sum(math.exp(-float((a - b).square().sum()) / width) for a, b in pairs)

    expected = total(x, x) / (5 * 4) + total(y, y) / (7 * 6) - 2 * total(x, y) / (5 * 7)
    assert discrepancy_test(x, y, 9)[0] == pytest.approx(expected, rel=1e-9)


def test_of_two_far_pairs_two_relabellings_of_six_are_as_far() -> None:
    pair = torch.tensor([[0.0], [0.1]])
    assert discrepancy_test(pair, pair + 9, 3000)[1] == pytest.approx(1 / 3, abs=0.03)
    assert discrepancy_test(pair, pair + 9, 50, seed=1) == discrepancy_test(pair, pair + 9, 50, seed=1)
    assert discrepancy_test(pair, pair + 9, 50, seed=1)[1] != discrepancy_test(pair, pair + 9, 50, seed=2)[1]


def test_the_p_value_of_equal_distributions_is_uniform() -> None:
    p_values = torch.tensor(
        [discrepancy_test(normal(30, 3, seed), normal(40, 3, 1000 + seed), 99, seed)[1] for seed in range(120)]
    )
    assert 0.4 < p_values.mean() < 0.6
    assert (p_values <= 0.1).double().mean() < 0.2


def test_a_difference_is_found() -> None:
    value, p_value = discrepancy_test(normal(60, 3, 0), normal(60, 3, 1, 1.0), 199)
    assert value > 0.1
    assert p_value == pytest.approx(1 / 200)
    assert discrepancy_test(torch.ones(10, 2), torch.ones(10, 2), 19)[1] == 1
