"""Scores of translation with translators whose errors are known."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.conditions.base import Conditions
from genbench.conditions.source_images import SourceImages
from genbench.images import to_float, to_uint8
from genbench.medium import Images
from genbench.metrics.conditions import plan
from genbench.metrics.evaluator import Evaluator, Scores
from genbench.metrics.extractor import Extractor, Features
from genbench.metrics.features import FeatureSet, features_of
from genbench.metrics.material import MAIN, Material, Origin, Picked
from genbench.metrics.scores import make_scores
from genbench.metrics.scores.cycle import cycle_errors
from genbench.metrics.scores.domain import domain_predictions


class Brightness(Extractor):
    """Sees how bright an image is, and as classes whether it is dark or bright."""

    name = "brightness"
    suffix = ""
    feature_dim = 1
    class_count = 2
    resize = "none"
    weights_sha256 = "none"

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Features:
        mean = to_float(images).flatten(1).mean(1, keepdim=True)
        return Features(mean, torch.cat([-mean, mean], dim=1))


class Blind(Brightness):
    """Sees no classes."""

    class_count = 0

    def forward(self, images: Tensor) -> Features:
        features, logits = super().forward(images)
        return Features(features, logits[:, :0])


def grey(*levels: float, copies: int = 1) -> Tensor:
    """Return images of one brightness each, with a little texture."""
    texture = 0.02 * torch.linspace(-1, 1, 144).view(1, 1, 12, 12)
    return to_uint8((torch.tensor(levels).repeat(copies).view(-1, 1, 1, 1) + texture).clamp(-1, 1))


SHAPE = (1, 12, 12)
CPU = torch.device("cpu")


def brighten(by: float) -> Any:
    """Return a method that makes its sources brighter."""

    def sample(count: int, condition: Tensor, *, noise: Any) -> Tensor:
        return (condition + by).clamp(-1, 1)

    return SimpleNamespace(sample=sample, medium=Images(SHAPE), condition=SourceImages(SHAPE), derives_condition=False)


def paired_scores(translated: Tensor, targets: Tensor, extractor: Extractor) -> dict[str, float]:
    """Return the scores of translations beside their targets that suit an extractor."""
    names = ["mae", "ssim", *(["target_agreement"] if extractor.class_count else [])]
    material = Material(
        len(translated), {MAIN: seen(translated, extractor)}, extractors={MAIN: extractor}, samples=translated,
        targets=Picked(targets, torch.arange(len(targets))),
    )  # fmt: skip
    return {name: value for one in make_scores(names, {}) for name, value in one.compute(material).items()}


def seen(images: Tensor, extractor: Extractor) -> FeatureSet:
    """Return images in feature space."""
    features, logits = features_of(extractor, images)
    return FeatureSet(features.mean(0), torch.zeros(1, 1), features, logits, len(images))


def domain_scores(
    translated: Tensor, sources: Tensor, targets: Tensor, train: tuple[Tensor, Tensor], extractor: Extractor
) -> dict[str, float]:
    found = domain_predictions(features_of(extractor, translated).features, sources, targets, train, extractor)
    means = {name: float(values.double().mean()) for name, values in found.items()}
    return {
        "in_target_domain": means["translated"],
        "domain_accuracy": (means["targets"] + 1 - means["sources"]) / 2,
    }


def cycle_scores(*arguments: Any) -> dict[str, float]:
    return {name: float(values.mean()) for name, values in cycle_errors(*arguments).items()}


def test_pairs_are_compared_pixel_by_pixel_and_by_class() -> None:
    targets, translated = grey(-0.5, -0.5, 0.5, 0.5), grey(-0.4, 0.1, 0.6, 0.4)
    found = paired_scores(translated, targets, Brightness())
    assert found["mae"] == pytest.approx((0.1 + 0.6 + 0.1 + 0.1) / 4, abs=0.005)
    assert found["target_agreement"] == 0.75
    assert found["ssim"] < 0.99
    same = paired_scores(targets, targets, Blind())
    assert same == {"mae": 0, "ssim": pytest.approx(1)}


def test_the_domain_of_translations_is_asked_of_a_classifier_of_both() -> None:
    dark, bright = grey(-0.6, -0.5, -0.4, copies=10), grey(0.4, 0.5, 0.6, copies=10)
    mixed = torch.cat([dark[:3], bright[:9]])
    found = domain_scores(mixed, torch.cat([dark[:9], bright[:3]]), bright[:6], (dark, bright), Brightness())
    assert found["in_target_domain"] == 0.75
    # All targets and three quarters of the sources.
    assert found["domain_accuracy"] == pytest.approx((1 + 0.75) / 2)


def test_the_way_there_and_back_is_measured_from_both_sides() -> None:
    sources, targets = grey(-0.5, -0.4, -0.3), grey(0.3, 0.4)
    translated = to_uint8(to_float(sources) + 0.5)
    found = cycle_scores(
        brighten(0.6), brighten(-0.4).sample, Conditions(SourceImages(SHAPE), sources), targets, 0, translated
    )
    assert found["cycle_source"] == pytest.approx(0.1, abs=0.01)
    assert found["cycle_target"] == pytest.approx(0.2, abs=0.01)


def data_of(sources: Tensor, targets: Tensor, *, paired: bool) -> Any:
    """Return a data set of translations, whose training images are the first half."""
    shape = {"shape": SHAPE}
    store = SimpleNamespace(samples=targets, conditions=sources, has_pairs=paired)
    train = SimpleNamespace(samples=targets[:12], conditions=sources[:12], has_pairs=paired)
    return SimpleNamespace(
        name="translations", medium=Images(SHAPE), condition=SourceImages(SHAPE), splits=("train", "test"),
        store={"test": store, "train": train}.__getitem__, identity=lambda split: shape,
    )  # fmt: skip


def translation_scores(
    method: Any, data: Any, extractor: Any = "digits", *, count: int, scores: tuple[str, ...] = ("fid",)
) -> Scores:
    """Score translations as `evaluate` does."""
    evaluator = Evaluator(count, 3, extractor=extractor, scores=scores)
    evaluator.scores.add_always()
    planned = plan(method, data, count)
    origin = Origin(method, data, "test", planned.rows)
    evaluator.set_reference(data, origin=origin)
    return evaluator.score_method(method.sample, CPU, conditions=planned.conditions, origin=origin)


def both_ways(there: float, back: float) -> Any:
    """Return a method that also translates back."""
    method = brighten(there)
    method.sample_back = brighten(back).sample
    return method


@pytest.mark.parametrize("paired", [True, False])
def test_a_data_set_gets_what_suits_it(paired: bool) -> None:
    sources, targets = grey(-0.6, -0.5, -0.4, copies=8), grey(0.4, 0.5, 0.6, copies=8)
    data = data_of(sources, targets, paired=paired)
    there = both_ways(0.9, -1.0)
    found = translation_scores(there, data, Brightness(), count=10).values
    found.pop("fid")
    if paired:
        assert set(found) == {"mae", "ssim", "target_agreement"}
        # Each is compared with the target of its own source.
        assert found["mae"] == pytest.approx(0.1, abs=0.01)
    else:
        assert set(found) == {"in_target_domain", "domain_accuracy", "cycle_source", "cycle_target"}
        assert found["in_target_domain"] == found["domain_accuracy"] == 1
        assert found["cycle_source"] == pytest.approx(0.1, abs=0.01)
        forward = translation_scores(brighten(0.9), data, Brightness(), count=10).values
        assert set(forward) == {"fid", "in_target_domain", "domain_accuracy"}


def test_the_evaluator_names_what_its_extractor_saw() -> None:
    sources, targets = grey(-0.6, -0.5, -0.4, copies=8), grey(0.4, 0.5, 0.6, copies=8)
    for paired in (True, False):
        data = data_of(sources, targets, paired=paired)
        scores = translation_scores(both_ways(0.9, -0.9), data, count=10)
        expected = (
            {"mae", "ssim", "target_agreement_digits"}
            if paired
            else {"in_target_domain_digits", "domain_accuracy_digits", "cycle_source", "cycle_target"}
        )
        assert set(scores.values) == {"fid_digits", *expected}
        assert (scores.protocol["translation_split"], scores.protocol["translation_count"]) == ("test", 10)
    # Sources that come twice are counted once.
    assert translation_scores(brighten(0.9), data, count=99).protocol["translation_count"] == 24
