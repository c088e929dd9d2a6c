"""Scores by name: functions from two sets to one or more figures."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genbench.metrics.by_class import classification_accuracy_score, frechet_by_class
from genbench.metrics.difference import random_halves
from genbench.metrics.extrapolation import can_extrapolate, frechet_at_infinity
from genbench.metrics.features import FeatureSet
from genbench.metrics.frechet import frechet_distance, frechet_distance_of_features
from genbench.metrics.kernel import discrepancy_test, kernel_distance
from genbench.metrics.neighbours import neighbour_scores
from genbench.metrics.predictions import class_shares, distance_from_uniform, inception_score
from genbench.metrics.two_sample import classifier_test, means_test, variances_test

IS_SPLITS = 10
MODES = 10
"""Classes of the digit classifier."""
FOLDS = 5
"""Cross-validation folds of the classifier two-sample test."""
_EXTRAPOLATED_HALVES = 5
_TESTED = 1000
"""Images of each set in the two-sample tests, whose time grows with the square."""


@dataclass(frozen=True)
class Comparison:
    """Two sets and how to compare them.

    Attributes:
        generated: the set to be scored.
        reference: the real set.
        kid_subsets: pairs of subsets of KID.
        kid_subset_size: images of a subset.
        neighbours: k of precision, recall, density and coverage.
        halves: random halves for FID's standard error; 0 for none.
    """

    generated: FeatureSet
    reference: FeatureSet
    kid_subsets: int
    kid_subset_size: int
    neighbours: int
    halves: int


def fid(sets: Comparison) -> dict[str, float]:
    """The Frechet distance, and its standard error by random halves of the generated set."""
    generated, reference = sets.generated, sets.reference
    values = {"fid": distance_between(generated, reference)}
    if sets.halves:
        distances = [distance_between(half, reference) for half in random_halves(generated, sets.halves)]
        values["fid_std"] = float(torch.tensor(distances).std())
    return values


def distance_between(generated: FeatureSet, reference: FeatureSet) -> float:
    """Return the Frechet distance, by the cheaper method."""
    few = min(len(generated.features), len(reference.features)) < len(generated.mean)
    whole = all(len(part.features) == part.count for part in (generated, reference))
    if few and whole:
        return frechet_distance_of_features(generated.features, reference.features)
    return frechet_distance(generated.mean, generated.covariance, reference.mean, reference.covariance)


def inception(sets: Comparison) -> dict[str, float]:
    """The Inception Score of the generated set, shuffled as in torch-fidelity since it may be sorted by class."""
    if sets.generated.logits.shape[1] == 0:
        raise ValueError("this extractor has no classes")
    order = torch.from_numpy(np.random.RandomState(2020).permutation(len(sets.generated.logits)))
    mean, deviation = inception_score(sets.generated.logits[order], IS_SPLITS)
    return {"is": mean, "is_std": deviation}


def kid(sets: Comparison) -> dict[str, float]:
    """The kernel Inception distance."""
    mean, deviation = kernel_distance(
        sets.generated.features, sets.reference.features, sets.kid_subsets, sets.kid_subset_size
    )
    return {"kid": mean, "kid_std": deviation}


def neighbours(sets: Comparison) -> dict[str, float]:
    """Precision, recall, density, coverage, with binomial standard errors, and distances to the nearest real image."""
    found = neighbour_scores(sets.generated.features, sets.reference.features, sets.neighbours)
    values: dict[str, float] = {}
    for name, fraction, count in (
        ("precision", found.precision, len(sets.generated.features)),
        ("recall", found.recall, len(sets.reference.features)),
        ("coverage", found.coverage, len(sets.reference.features)),
    ):
        values |= {name: fraction, f"{name}_std": _binomial_std(fraction, count)}
    return {
        **values,
        "density": found.density,
        "density_std": found.density_std,
        "nearest_real": float(found.nearest.median()),
        "nearest_real_percentile": float(found.nearest.quantile(0.01)),
    }


def fid_infinity(sets: Comparison) -> dict[str, float]:
    """The Frechet distance extrapolated to infinitely many samples."""
    reference = sets.reference

    def extrapolate(generated: FeatureSet) -> float:
        return frechet_at_infinity(generated.features, reference.mean, reference.covariance)

    values = {"fid_infinity": extrapolate(sets.generated)}
    # Each takes many distances, so fewer halves; half of a small set may be too small to extrapolate from.
    halves = min(sets.halves, _EXTRAPOLATED_HALVES)
    count, dimensions = sets.generated.features.shape
    if halves > 1 and can_extrapolate(count // 2, dimensions):
        found = [extrapolate(half) for half in random_halves(sets.generated, halves)]
        values["fid_infinity_std"] = float(torch.tensor(found).std())
    return values


def modes(sets: Comparison) -> dict[str, float]:
    """Mode coverage: how many classes were predicted, and how evenly."""
    fractions = class_shares(sets.generated.logits)
    smallest = float(fractions.min())
    return {
        "classes": float((fractions > 0).sum()),
        "smallest_class": smallest,
        "smallest_class_std": _binomial_std(smallest, len(sets.generated.logits)),
        "distance_from_uniform": distance_from_uniform(fractions),
    }


def moments(sets: Comparison) -> dict[str, float]:
    """Tests of equal means and of equal variances."""
    x, y = _tested(sets)
    mean, variance = means_test(x, y), variances_test(x, y)
    return {
        "means_t": mean.statistic,
        "means_p": mean.p_value,
        "variances_t": variance.statistic,
        "variances_p": variance.p_value,
    }


def mmd(sets: Comparison) -> dict[str, float]:
    """The maximum mean discrepancy with its permutation test."""
    value, p_value = discrepancy_test(*_tested(sets))
    return {"mmd": value, "mmd_p": p_value}


def c2st(sets: Comparison) -> dict[str, float]:
    """The classifier two-sample test."""
    x, y = _tested(sets)
    result = classifier_test(x, y, FOLDS)
    deviation = _binomial_std(result.statistic, len(x) + len(y))
    return {"c2st": result.statistic, "c2st_std": deviation, "c2st_p": result.p_value}


def by_class(sets: Comparison) -> dict[str, float]:
    """The mean and worst Frechet distance over classes, and the classification accuracy score."""
    generated, reference = sets.generated, sets.reference
    if generated.labels is None or reference.labels is None:
        raise ValueError("it takes a conditional method and a reference with classes")
    labelled = generated.features, generated.labels, reference.features, reference.labels
    distances = frechet_by_class(*labelled)
    accuracy = classification_accuracy_score(*labelled)
    return {
        "fid_class_mean": sum(distances.values()) / len(distances),
        "fid_class_worst": max(distances.values()),
        "cas_linear": accuracy,
        "cas_linear_std": _binomial_std(accuracy, len(reference.labels)),
    }


def agreement(sets: Comparison) -> dict[str, float]:
    """The fraction of images that the extractor classifies as the requested class."""
    labels, logits = sets.generated.labels, sets.generated.logits
    if labels is None:
        raise ValueError("it takes a method that is conditioned on classes")
    if logits.shape[1] != MODES or labels.max() >= MODES:
        raise ValueError("it takes the digit classifier, and digits as classes")
    fraction = float((logits.argmax(1) == labels).double().mean())
    return {"agreement": fraction, "agreement_std": _binomial_std(fraction, len(labels))}


SCORES: dict[str, Callable[[Comparison], dict[str, float]]] = {
    "fid": fid,
    "is": inception,
    "kid": kid,
    "neighbours": neighbours,
    "fid_infinity": fid_infinity,
    "modes": modes,
    "moments": moments,
    "mmd": mmd,
    "c2st": c2st,
    "by_class": by_class,
    "agreement": agreement,
}


def _binomial_std(fraction: float, count: int) -> float:
    """Return the standard error of a fraction of `count` independent images."""
    return (fraction * (1 - fraction) / count) ** 0.5


def _tested(sets: Comparison) -> tuple[Tensor, Tensor]:
    """Return equally many features of both sets, evenly spaced over each."""
    count = min(_TESTED, len(sets.generated.features), len(sets.reference.features))
    x, y = (
        part.features[torch.linspace(0, len(part.features) - 1, count).long()]
        for part in (sets.generated, sets.reference)
    )
    return x, y
