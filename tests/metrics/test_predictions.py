"""Inception Score and class coverage against closed forms and torch-fidelity."""

import pytest
import torch
from torch.nn.functional import one_hot
from torch_fidelity.metric_isc import isc_features_to_metric

from genbench.metrics.predictions import class_fractions, distance_from_uniform, inception_score


def sure(classes: torch.Tensor, count: int = 10) -> torch.Tensor:
    return one_hot(classes, count).double() * 1000


def test_equal_shares_of_sure_labels_score_the_number_of_classes() -> None:
    mean, std = inception_score(sure(torch.arange(1000) % 10))
    assert mean == pytest.approx(10)
    assert std == pytest.approx(0, abs=1e-9)


def test_one_label_for_all_scores_one() -> None:
    assert inception_score(torch.zeros(100, 10))[0] == pytest.approx(1)
    assert inception_score(sure(torch.full((100,), 3)))[0] == pytest.approx(1)


@pytest.mark.parametrize(("count", "splits"), [(1000, 10), (1003, 10), (500, 1), (17, 4)])
def test_agrees_with_torch_fidelity(count: int, splits: int) -> None:
    logits = torch.randn(count, 10, generator=torch.Generator().manual_seed(0)) * 3
    expected = isc_features_to_metric(logits, splits=splits, shuffle=False)
    mean, std = inception_score(logits, splits)
    assert mean == pytest.approx(expected["inception_score_mean"], rel=1e-6)
    assert std == pytest.approx(expected["inception_score_std"], rel=1e-6)


def test_too_few_images_for_the_splits() -> None:
    with pytest.raises(ValueError, match="at least 10"):
        inception_score(torch.zeros(9, 10))


def test_shares_count_the_likeliest_labels() -> None:
    shares = class_fractions(sure(torch.tensor([0, 0, 0, 2]), 4))
    assert shares.tolist() == [0.75, 0, 0.25, 0]


@pytest.mark.parametrize(("shares", "expected"), [([0.25] * 4, 0), ([1, 0, 0, 0], 0.75), ([0.5, 0.5, 0, 0], 0.5)])
def test_distance_from_uniform_is_the_total_variation(shares: list[float], expected: float) -> None:
    assert distance_from_uniform(torch.tensor(shares)) == pytest.approx(expected)
