"""Scores of translation among domains, with translations that are known: perfect ones, copies, and somebody else's."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.conditions.classes import Classes
from genbench.conditions.source_images import SourceImages
from genbench.conditions.target_domain import TargetDomain
from genbench.data.store import SampleStore
from genbench.errors import UserError
from genbench.images import to_float
from genbench.medium import Images
from genbench.metrics.conditions import plan
from genbench.metrics.evaluator import Evaluator, Scores
from genbench.metrics.extractors.colours import Colours
from genbench.metrics.extractors.colours import load as load_colours
from genbench.metrics.features import features_of
from genbench.metrics.material import Origin
from genbench.metrics.scores.kept_identity import kept_identities
from genbench.metrics.scores.target_domain import right_domains

SHAPE = (3, 8, 8)
DOMAINS = 3
CONDITION = TargetDomain(Classes(["red", "green", "blue"]), SHAPE)


def picture(thing: int, domain: int) -> Tensor:
    """A thing is a white row of pixels, its domain the colour of the ground."""
    image = torch.zeros(SHAPE, dtype=torch.uint8)
    image[domain] = 200
    image[:, thing] = 255
    return image


def things(*numbers: int) -> tuple[Tensor, Tensor]:
    """Return things in each domain, and their domains."""
    places = [(number, domain) for number in numbers for domain in range(DOMAINS)]
    return torch.stack([picture(*place) for place in places]), torch.tensor([domain for _, domain in places])


def store(*numbers: int) -> SampleStore:
    """Return things in all domains, each beside itself in the next domain."""
    images, domains = things(*numbers)
    sources = images.unflatten(0, (-1, DOMAINS)).roll(-1, 1).flatten(0, 1)
    return SampleStore(images, CONDITION.pack(domains, to_float(sources)), condition=CONDITION)


def data() -> Any:
    """Things 0 to 3 are trained on, 4 to 7 are held out."""
    stores = {"train": store(0, 1, 2, 3), "test": store(4, 5, 6, 7)}
    return SimpleNamespace(
        name="things", medium=Images(SHAPE), condition=CONDITION, splits=("train", "test"), store=stores.__getitem__,
        identity=lambda split: {"split": split},
    )  # fmt: skip


def translated(how: str) -> Any:
    """Return a method that translates perfectly, not at all, or into the same thing always."""

    def sample(count: int, condition: Tensor, *, noise: Any) -> Tensor:
        targets, sources = CONDITION.split(condition)
        if how == "copy":
            return sources
        numbers = sources.amin((1, 3)).argmax(1).tolist() if how == "right" else [5] * count
        return to_float(torch.stack([picture(n, t) for n, t in zip(numbers, targets.tolist(), strict=True)]))

    return SimpleNamespace(sample=sample, medium=Images(SHAPE), condition=CONDITION, derives_condition=False)


def scores_of(method: Any, given: Any, count: int = 12) -> Scores:
    """Score as `evaluate` does."""
    evaluator = Evaluator(count, 3, extractor=Colours(), scores=("target_domain",))
    evaluator.scores.add_always()
    planned = plan(method, given, count)
    origin = Origin(method, given, "test", planned.rows)
    evaluator.set_reference(given, origin=origin)
    return evaluator.score_method(method.sample, torch.device("cpu"), conditions=planned.conditions, origin=origin)


@pytest.mark.parametrize(("how", "domain", "identity"), [("right", 1, 1), ("copy", 0, 1), ("always 5", 1, 1 / 4)])
def test_a_translation_must_be_in_the_domain_and_of_the_same_thing(how: str, domain: float, identity: float) -> None:
    found = scores_of(translated(how), data())
    assert found.values["target_domain_colours"] == domain
    assert found.values["target_domain_real_colours"] == 1
    assert found.values["kept_identity"] == pytest.approx(identity)
    assert (found.values["mae"] == 0) == (how == "right")
    assert found.protocol["translation_split"] == "test"
    assert found.protocol["translation_count"] == 12


def test_held_out_images_with_drawn_targets_have_no_true_translation() -> None:
    """Of data with classes alone neither the error nor the identity is known, and the source is no target."""
    images, domains = (torch.cat(each) for each in zip(things(0, 1, 2, 3), things(4, 5, 6, 7), strict=True))
    kind = Classes(["red", "green", "blue"])
    stores = {"train": SampleStore(images[:12], domains[:12]), "test": SampleStore(images[12:], domains[12:])}
    given = SimpleNamespace(
        name="things", medium=Images(SHAPE), condition=kind, splits=("train", "test"), store=stores.__getitem__,
        identity=lambda split: {"split": split},
    )  # fmt: skip
    method = translated("right")
    condition = TargetDomain(kind, SHAPE, drawn=True)
    method.condition, method.derives_condition = condition, True
    method.condition_of = lambda batch: condition.pack((batch.condition + 1) % 3, batch.x)
    found = scores_of(method, given)
    assert {name.removesuffix("_std") for name in found.values} == {
        "target_domain_colours",
        "target_domain_real_colours",
    }
    assert found.values["target_domain_colours"] == 1
    assert Origin(method, given, "test", torch.arange(3)).targets is None


def test_of_attributes_each_is_seen_by_itself() -> None:
    images, domains = things(0, 1, 2, 3)
    # Whether it is red, and whether it is blue.
    own = torch.stack([domains == 0, domains == 2], 1).float()
    features = features_of(Colours(), images).features
    found = right_domains((features, own), (images, own), (images, own), False, Colours())
    assert found["translated"].tolist() == [1.0] * 12
    wrong = own.clone()
    wrong[:3] = 1 - wrong[:3]
    wrong[3, 0] = 1 - wrong[3, 0]
    found = right_domains((features, wrong), (images, own), (images, own), False, Colours())
    assert found["translated"].tolist() == [0.0] * 3 + [0.5] + [1.0] * 8


def test_the_true_translation_must_be_the_nearest_of_its_domain() -> None:
    images, own = things(0, 1)
    drawn = images.clone()
    # Nearly as white in the other thing's row as in its own, and then more.
    drawn[0, :, 1] = 150
    assert kept_identities(drawn, images, own, images, own).tolist() == [True] * 6
    drawn[0, :, 0] = 20
    assert kept_identities(drawn, images, own, images, own).tolist() == [False] + [True] * 5


def test_colours_are_counted_by_what_they_are_near() -> None:
    black, white = torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)
    features = load_colours()(torch.cat([black, white])).features
    assert features.shape == (2, 216)
    assert (features[0] > 0.01).nonzero().tolist() == [[0]]
    assert (features[1] > 0.01).nonzero().tolist() == [[215]]
    # Half of the pixels.
    half = torch.cat([black[:, :, :2], white[:, :, :2]], dim=2)
    torch.testing.assert_close(load_colours()(half).features[0, [0, 215]].square(), torch.tensor([0.5, 0.5]))
    # A colour a fifth of the way between two centres of red is four fifths of one.
    between = Colours().features_of(torch.tensor([-1 + 0.2 * 2 / 5, -1, -1]).view(1, 3, 1, 1))
    torch.testing.assert_close(between[0, [0, 36]].square(), torch.tensor([0.8, 0.2]))
    random = torch.randint(256, (5, 3, 6, 6)).to(torch.uint8)
    torch.testing.assert_close(load_colours()(random).features.square().sum(1), torch.ones(5))
    grey = torch.randint(256, (2, 1, 6, 6)).to(torch.uint8)
    assert torch.equal(load_colours()(grey).features, load_colours()(grey.expand(-1, 3, -1, -1)).features)
    with pytest.raises(UserError, match="2 channels"):
        load_colours()(random[:, :2])


def test_translators_of_other_kinds_are_not_asked() -> None:
    images, _ = things(0, 1, 2, 3)
    sources = SampleStore(images, images, condition=SourceImages(SHAPE))
    given = SimpleNamespace(
        name="pairs", medium=Images(SHAPE), condition=SourceImages(SHAPE), splits=("train", "test"),
        store=lambda split: sources, identity=lambda split: {"split": split},
    )  # fmt: skip
    method = SimpleNamespace(
        sample=lambda count, condition, noise: condition, medium=Images(SHAPE), condition=SourceImages(SHAPE),
        derives_condition=False,
    )  # fmt: skip
    evaluator = Evaluator(12, 0, extractor=Colours(), scores=("mae",))
    evaluator.scores.add_always()
    origin = Origin(method, given, "test", torch.arange(12))
    evaluator.set_reference(given, origin=origin)
    planned = plan(method, given, 12)
    found = evaluator.score_method(method.sample, torch.device("cpu"), conditions=planned.conditions, origin=origin)
    assert "kept_identity" not in found.values
    assert not any("target_domain" in name for name in found.values)
