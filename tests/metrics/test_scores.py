"""Each score by its name: its figures are what the functions beneath say of these sets, and its errors theirs."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from genbench.metrics.by_class import classification_accuracy_score, frechet_by_class
from genbench.metrics.difference import random_halves
from genbench.metrics.extrapolation import frechet_at_infinity
from genbench.metrics.features import FeatureSet
from genbench.metrics.frechet import frechet_distance, frechet_distance_of_features
from genbench.metrics.kernel import discrepancy_test, kernel_distance
from genbench.metrics.material import MAIN, Material
from genbench.metrics.neighbours import neighbour_scores
from genbench.metrics.predictions import inception_score
from genbench.metrics.scores import make_scores
from genbench.metrics.scores.fid import distance_between
from genbench.metrics.two_sample import classifier_test, means_test, variances_test


def a_set(count: int, dim: int, seed: int, shift: float = 0.0, labels: Tensor | None = None) -> FeatureSet:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, dim, generator=generator) + shift
    logits = torch.randn(count, 10, generator=generator)
    whole = features.double()
    return FeatureSet(whole.mean(0), whole.T.cov(), features, logits, count, labels)


def compare(generated: FeatureSet, reference: FeatureSet) -> Material:
    return Material(generated.count, {MAIN: generated}, {MAIN: reference})


def compute(name: str, sets: Material, **settings: int) -> dict[str, float]:
    """Return a score's figures."""
    defaults = {"kid_subsets": 4, "kid_subset_size": 20, "neighbours": 3, "halves": 0}
    (score,) = make_scores([name], defaults | settings)
    return score.compute(sets)


SETS = compare(a_set(60, 4, 0, 0.3), a_set(80, 4, 1))


def test_halves_are_halves_at_random_and_the_same_of_two_sets() -> None:
    one, other = a_set(21, 3, 0, labels=torch.arange(21)), a_set(21, 3, 1, labels=torch.arange(21))
    halves = list(random_halves(one, 6))
    assert [len(half.features) for half in halves] == [half.count for half in halves] == [10] * 6
    for half, same in zip(halves, random_halves(other, 6), strict=True):
        assert half.labels is not None
        assert half.labels.equal(same.labels)  # type: ignore[arg-type]
        assert len(half.labels.unique()) == 10
        assert half.features.equal(one.features[half.labels])
        assert half.logits.equal(one.logits[half.labels])
        torch.testing.assert_close(half.mean, half.features.double().mean(0))
        torch.testing.assert_close(half.covariance, half.features.double().T.cov())
    assert len({tuple(half.labels.tolist()) for half in halves}) == 6  # type: ignore[union-attr]
    assert next(random_halves(replace(one, labels=None), 1)).labels is None


def test_the_distance_is_that_of_all_images_also_if_features_of_few_were_kept() -> None:
    one, other = a_set(30, 50, 0), a_set(40, 50, 1)
    expected = frechet_distance(one.mean, one.covariance, other.mean, other.covariance)
    assert distance_between(one, other) == pytest.approx(expected, rel=1e-6)
    kept = replace(one, features=one.features[::2], logits=one.logits[::2])
    assert distance_between(kept, other) == pytest.approx(expected, rel=1e-9)
    assert distance_between(other, kept) == pytest.approx(expected, rel=1e-6)


def test_standard_errors_of_distances_are_their_deviations_over_halves() -> None:
    reference = SETS.reference
    expected = [distance_between(half, reference) for half in random_halves(SETS.generated, 7)]
    found = compute("fid", SETS, halves=7)
    assert found == {
        "fid": distance_between(SETS.generated, reference),
        "fid_std": pytest.approx(torch.tensor(expected).std().item()),
    }
    assert set(compute("fid", SETS)) == {"fid"}

    expected = [
        frechet_at_infinity(half.features, reference.mean, reference.covariance)
        for half in random_halves(SETS.generated, 5)
    ]
    # Five halves at most, as each is many distances.
    found = compute("fid_infinity", SETS, halves=7)
    assert found["fid_infinity_std"] == pytest.approx(torch.tensor(expected).std().item())
    assert found["fid_infinity"] == frechet_at_infinity(SETS.generated.features, reference.mean, reference.covariance)
    assert set(compute("fid_infinity", SETS, halves=1)) == {"fid_infinity"}
    # 12 samples of 4 dimensions can be extrapolated from, but not half of them.
    assert set(compute("fid_infinity", compare(a_set(12, 4, 0), reference), halves=7)) == {"fid_infinity"}
    assert len(compute("fid_infinity", compare(a_set(16, 4, 0), reference), halves=2)) == 2


def test_inception_and_kernel_scores() -> None:
    logits = SETS.generated.logits
    sorted_set = replace(SETS.generated, logits=logits[logits.argmax(1).argsort()])
    # It is shuffled: in the order of the classes each split would have but one.
    assert compute("is", compare(sorted_set, SETS.reference))["is"] > 1.1 * inception_score(sorted_set.logits)[0]
    assert compute("is", SETS)["is_std"] > 0
    with pytest.raises(ValueError, match="has no classes"):
        compute("is", compare(replace(sorted_set, logits=logits[:, :0]), SETS.reference))
    mean, deviation = kernel_distance(SETS.generated.features, SETS.reference.features, 4, 20)
    assert compute("kid", SETS) == {"kid": mean, "kid_std": deviation}


def test_neighbour_scores_have_binomial_deviations() -> None:
    expected = neighbour_scores(SETS.generated.features, SETS.reference.features, 3)
    found = compute("neighbours", SETS)
    for name, count in (("precision", 60), ("recall", 80), ("coverage", 80)):
        share = getattr(expected, name)
        assert 0 < share < 1
        assert found[name] == share
        assert found[f"{name}_std"] == pytest.approx((share * (1 - share) / count) ** 0.5)
    assert found["density"] == expected.density
    assert found["density_std"] == expected.density_std > 0
    assert found["nearest_real"] == pytest.approx(expected.nearest.median().item())
    assert found["nearest_real_percentile"] == pytest.approx(expected.nearest.quantile(0.01).item())


def test_modes_count_what_was_drawn() -> None:
    classes = torch.tensor([0] * 6 + [1] * 3 + [2])
    drawn = replace(SETS.generated, logits=one_hot(classes, 3).float())
    assert compute("modes", compare(drawn, SETS.reference)) == {
        "classes": 3,
        "smallest_class": pytest.approx(0.1),
        "smallest_class_std": pytest.approx((0.1 * 0.9 / 10) ** 0.5),
        "distance_from_uniform": pytest.approx(0.6 - 1 / 3),
    }


def test_the_two_sample_tests_take_as_many_of_both_spread_over_each() -> None:
    # 60 of 80 from the first to the last.
    rows = (torch.arange(60) * 79 / 59).long()
    x, y = SETS.generated.features, SETS.reference.features[rows]
    assert compute("moments", SETS) == pytest.approx(
        {
            "means_t": means_test(x, y).statistic, "means_p": means_test(x, y).p_value,
            "variances_t": variances_test(x, y).statistic, "variances_p": variances_test(x, y).p_value,
        }
    )  # fmt: skip
    assert compute("mmd", SETS) == pytest.approx(dict(zip(("mmd", "mmd_p"), discrepancy_test(x, y), strict=True)))
    # Whichever is the smaller.
    turned = compute("mmd", compare(SETS.reference, SETS.generated))
    assert turned["mmd"] == pytest.approx(discrepancy_test(y, x)[0])
    accuracy, p_value = classifier_test(x, y)
    expected = {"c2st": accuracy, "c2st_std": (accuracy * (1 - accuracy) / 120) ** 0.5, "c2st_p": p_value}
    assert compute("c2st", SETS) == pytest.approx(expected)


def test_by_class_says_the_mean_and_the_worst() -> None:
    labels = torch.arange(60) % 3
    real = torch.cat([labels, torch.zeros(20, dtype=torch.long)])
    generated, reference = replace(SETS.generated, labels=labels), replace(SETS.reference, labels=real)
    one, other = SETS.generated.features, SETS.reference.features
    distances = [frechet_distance_of_features(one[labels == each], other[real == each]) for each in range(3)]
    by_class = frechet_by_class(one, labels, other, real)
    assert by_class == dict(enumerate(distances))
    found = compute("by_class", compare(generated, reference))
    assert found["fid_class_mean"] == pytest.approx(sum(distances) / 3)
    assert found["fid_class_worst"] == max(distances)
    accuracy = found["cas_linear"]
    assert 0 < accuracy < 1
    assert found["cas_linear_std"] == pytest.approx((accuracy * (1 - accuracy) / 80) ** 0.5)
    for sets in (compare(generated, SETS.reference), compare(SETS.generated, reference)):
        with pytest.raises(ValueError, match="takes a conditional method and a reference with classes"):
            compute("by_class", sets)


def test_a_class_needs_two_of_each_side() -> None:
    features, labels = torch.randn(6, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 0, 0, 1, 1, 1])
    assert set(frechet_by_class(features[1:5], labels[1:5], features, labels)) == {0, 1}
    with pytest.raises(ValueError, match="class 1 has 1 samples and 3 real images"):
        frechet_by_class(features[:4], labels[:4], features, labels)
    with pytest.raises(ValueError, match="class 1 has 3 samples and 1 real images"):
        frechet_by_class(features, labels, features[:4], labels[:4])


def test_the_classifiers_do_not_mind_how_features_are_scaled() -> None:
    x, y = SETS.generated.features, SETS.reference.features[:60]
    labels, scale = (x[:, 0] + 0.1 * x[:, 1] > 0).long(), torch.tensor([1e-4, 1e3, 1.0, 30.0])
    accuracy = classification_accuracy_score(x, labels, y, labels)
    assert classification_accuracy_score(x * scale, labels, y * scale, labels) == pytest.approx(accuracy)
    assert classifier_test(x * scale, y * scale) == classifier_test(x, y)


def test_agreement_is_how_often_the_class_that_was_asked_for_is_seen() -> None:
    labels = torch.arange(10)
    seen = labels.clone()
    seen[7:] = 0
    generated = replace(SETS.generated, logits=one_hot(seen, 10).float(), labels=labels)
    found = compute("agreement", compare(generated, SETS.reference))
    assert found == {"agreement": pytest.approx(0.7), "agreement_std": pytest.approx((0.7 * 0.3 / 10) ** 0.5)}
    for change in ({"logits": generated.logits[:, :9]}, {"labels": labels + 1}):
        with pytest.raises(ValueError, match="takes the digit classifier"):
            compute("agreement", compare(replace(generated, **change), SETS.reference))
    with pytest.raises(ValueError, match="conditioned on classes"):
        compute("agreement", compare(replace(generated, labels=None), SETS.reference))
