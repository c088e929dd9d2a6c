"""Two-sample tests: do two sets have the same means and variances, can a classifier distinguish them?

The test by maximum mean discrepancy is `kernel.discrepancy_test`.
"""

from typing import NamedTuple

import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

FOLDS = 5
"""Cross-validation folds of the classifier two-sample test."""

_TESTED = 1000
"""Samples of each set, since the time of some tests grows with the square."""


class TestResult(NamedTuple):
    """A statistic and its p-value under equal distributions."""

    statistic: float
    p_value: float


def equal_sets(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return equally many rows of features (N, D) and (M, D), at most a thousand, evenly spaced over each."""
    count = min(_TESTED, len(x), len(y))
    x, y = (part[torch.linspace(0, len(part) - 1, count).long()] for part in (x, y))
    return x, y


def means_test(x: Tensor, y: Tensor) -> TestResult:
    """Compare means by Welch's t-test in each dimension: the largest |t|, with a Bonferroni-corrected p-value.

    Dimensions in which both sets are constant and equal are left out.

    Args:
        x: (N, D).
        y: (M, D).
    """
    t, p = stats.ttest_ind(x.double().numpy(), y.double().numpy(), equal_var=False)
    return _strongest(t, p, x, y)


def variances_test(x: Tensor, y: Tensor) -> TestResult:
    """Compare variances by Brown and Forsythe's test in each dimension, as `means_test` does means."""
    deviations = [(z - z.median(0).values).abs() for z in (x.double(), y.double())]
    t, p = stats.ttest_ind(deviations[0].numpy(), deviations[1].numpy())
    return _strongest(t, p, x, y)


def _strongest(t: object, p: object, x: Tensor, y: Tensor) -> TestResult:
    t, p = torch.as_tensor(t), torch.as_tensor(p)
    varies = torch.cat([x, y]).std(0) > 0
    if not varies.any():
        return TestResult(0.0, 1.0)
    # Both sets are constant, at different values.
    t, p = t[varies].nan_to_num(nan=float("inf")).abs(), p[varies].nan_to_num(nan=0.0)
    return TestResult(float(t.max()), min(1.0, float(p.min()) * len(p)))


def classifier_test(x: Tensor, y: Tensor, folds: int = FOLDS) -> TestResult:
    """Train a linear classifier to distinguish two sets of equal size (Lopez-Paz and Oquab 2017).

    Its accuracy on held-out images is 0.5 for equal distributions; the p-value is that of a binomial with probability
    0.5 (https://arxiv.org/abs/1610.06545).

    Args:
        x: (N, D).
        y: (N, D).
        folds: each image is classified by a classifier trained on the other folds.

    Raises:
        ValueError: the sets differ in size.
    """
    if len(x) != len(y):
        raise ValueError(f"the classifier test takes sets of equal size, not {len(x)} and {len(y)}")
    features = torch.cat([x, y]).double().numpy()
    labels = [0] * len(x) + [1] * len(y)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    correct = int((cross_val_predict(classifier, features, labels, cv=folds) == labels).sum())
    p_value = float(stats.binomtest(correct, len(labels), 0.5, alternative="greater").pvalue)
    return TestResult(correct / len(labels), p_value)
