"""Retrieval and zero-shot accuracy of what embeds images and texts, by features that are known."""

from itertools import product
from typing import Any

import pytest
import torch

from genbench.conditions.captions import Captions
from genbench.data.digits import Digits
from genbench.errors import UserError
from genbench.metrics.evaluator import Evaluator
from genbench.metrics.material import Material, Origin
from genbench.metrics.score import Setting
from genbench.metrics.scores.retrieval import Retrieval
from genbench.metrics.scores.zero_shot import ZeroShot
from genbench.text.scenes import COLOURS, DIGITS, Scene, Thing, caption
from tests.metrics.embedding import Constant, Lookup, Numbered

WORDS = ["red", "green", "blue", "cat", "dog", "bird"]
TEXTS = [" ".join(words) for words in product(WORDS, WORDS, WORDS)]
"""216 texts."""


def material(data: Numbered, model: Any, seed: int = 0) -> Material:
    return Material(0, origin=Origin(model, data, "test"), seed=seed)


def test_right_features_find_everything_and_constant_ones_nothing() -> None:
    data = Numbered(TEXTS)
    found = Retrieval(candidates=50).compute(material(data, data.lookup()))
    assert set(found.values()) == {0.0, 1.0}
    assert {value for name, value in found.items() if not name.endswith("_std")} == {1.0}
    assert len([name for name in found if not name.endswith("_std")]) == 12
    found = Retrieval(candidates=50).compute(material(data, data.lookup(Constant)))
    assert set(found.values()) == {0.0}


def test_random_features_find_by_chance() -> None:
    data = Numbered(TEXTS)
    # Each image has the feature of some other text.
    order = torch.randperm(len(TEXTS), generator=torch.Generator().manual_seed(1)).tolist()
    model = data.lookup(wrong=dict(enumerate(order)))
    found = Retrieval(candidates=100).compute(material(data, model))
    for at in (1, 5, 10):
        for direction in ("image_to_text", "text_to_image"):
            assert found[f"{direction}_recall_{at}"] == pytest.approx(at / 100, abs=0.05)
            assert found[f"{direction}_recall_{at}_all"] == pytest.approx(at / len(TEXTS), abs=0.05)


def test_a_part_that_is_wrong_is_the_part_that_is_not_found() -> None:
    data = Numbered(TEXTS)
    # Half of the images are exchanged in pairs: their own text is never the nearest.
    numbers = list(data.numbers.values())[:108]
    swapped = dict(zip(numbers, numbers[1:] + numbers[:1], strict=True))
    found = Retrieval().compute(material(data, data.lookup(wrong=swapped)))
    assert found["image_to_text_recall_1_all"] == 0.5
    assert found["image_to_text_recall_1_all_std"] == pytest.approx((0.25 / 216) ** 0.5)


def test_images_of_one_caption_are_all_right() -> None:
    texts = TEXTS[:60] * 3
    data = Numbered(texts)
    found = Retrieval(candidates=60).compute(material(data, data.lookup()))
    assert {value for name, value in found.items() if not name.endswith("_std")} == {1.0}
    # In a group each caption occurs once.
    assert found["text_to_image_recall_1_std"] == 0


def test_groups_depend_on_the_seed_and_too_few_captions_make_none() -> None:
    data = Numbered(TEXTS)
    order = torch.randperm(len(TEXTS), generator=torch.Generator().manual_seed(1)).tolist()
    model = data.lookup(wrong=dict(enumerate(order)))
    one, again, other = (Retrieval(20).compute(material(data, model, seed)) for seed in (0, 0, 1))
    assert one == again
    assert one != other
    assert one["image_to_text_recall_1_all"] == other["image_to_text_recall_1_all"]
    few = Retrieval(candidates=217).compute(material(data, model))
    assert set(few) == {name for name in one if "_all" in name}


def scene_texts(pairs: list[tuple[int, str]]) -> list[str]:
    found = []
    for place, (digit, colour) in enumerate(pairs):
        ground = [name for name in COLOURS if name != colour][place % 7]
        found.append(caption(Scene((Thing(digit, colour, None),), None, ground)))
    return found


@pytest.fixture(scope="module")
def scenes() -> Numbered:
    pairs = list(product(range(len(DIGITS)), COLOURS))
    return Numbered(scene_texts(pairs), unseen=scene_texts(pairs[:12]))


class Composed(Lookup):
    """Features are sums of those of words, so that an ensemble of prompts points to what they have in common."""

    def embed_texts(self, rows: torch.Tensor) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        table = torch.randn(self.condition.tokenizer.size, 512, generator=generator)
        # Where a word stands matters: a colour may be a digit's or a background's.
        return torch.stack([(table[row].roll(place, 1)) for place, row in enumerate(rows.T)]).sum(0)

    def embed_images(self, x: torch.Tensor) -> torch.Tensor:
        numbers = ((x[:, 0, 0, :2] + 1) * 127.5).round().long() @ torch.tensor([256, 1])
        rows = {number: row for row, number in self._rows.items()}
        return self.embed_texts(torch.tensor([rows[number] for number in numbers.tolist()]))


def test_zero_shot_on_scenes_asks_for_one_attribute_at_a_time(scenes: Numbered) -> None:
    found = ZeroShot().compute(material(scenes, scenes.lookup(Composed)))
    names = [
        f"zero_shot_{name}{split}" for name in ("digit", "colour", "background", "pair") for split in ("", "_unseen")
    ]
    assert {name: found[name] for name in names} == dict.fromkeys(names, 1.0)
    assert set(found) == {*names, *(f"{name}_std" for name in names)}
    # Without an idea it is chance.
    found = ZeroShot().compute(material(scenes, scenes.lookup(Constant)))
    assert found["zero_shot_digit"] == 0.1
    assert found["zero_shot_colour"] == 0.125
    assert found["zero_shot_pair"] == 1 / 80


def test_both_are_computed_of_a_run_that_draws_nothing_in_one_pass(scenes: Numbered) -> None:
    evaluator = Evaluator(count=10, scores=[])
    evaluator.scores.add_always()
    model = scenes.lookup()
    origin = Origin(model, scenes, "test")
    evaluator.set_reference(scenes, origin=origin)
    scores = evaluator.score(Material(0, origin=origin, seed=3), {})
    assert {name.partition("_recall")[0] for name in scores.values if "recall" in name} == {
        "image_to_text",
        "text_to_image",
    }
    assert scores.protocol["scored"]["data"] == "numbered"
    assert scores.protocol["scored"].keys() >= {"test", "unseen"}
    assert scores.protocol["zero_shot_count"]["zero_shot_pair_unseen"] == 12
    assert "count" not in scores.protocol
    assert scores.left_out == {}


def test_classes_are_asked_for_by_the_templates_of_the_data() -> None:
    data = Digits(size=8, captions=["the digit {}", "a {}"])
    assert isinstance(data.condition, Captions)
    model = Constant(data.condition, {})
    origin = Origin(model, data, "test")
    found = ZeroShot().compute(Material(0, origin=origin))
    labels = data.labelled("test").conditions
    assert labels is not None
    assert found == {
        "zero_shot": pytest.approx(float((labels[:] == 0).double().mean())),
        "zero_shot_std": pytest.approx((0.1 * 0.9 / 355) ** 0.5, rel=0.05),
    }
    facts = ZeroShot().protocol(Material(0, origin=origin))
    assert facts["zero_shot_templates"] == ["the digit {}", "a {}"]
    assert facts["zero_shot_count"] == {"zero_shot": 355}


def test_data_without_classes_or_scenes_have_no_zero_shot_accuracy() -> None:
    data = Numbered(TEXTS)
    with pytest.raises(ValueError, match="it takes data with classes, or scenes"):
        ZeroShot().compute(material(data, data.lookup()))


def test_methods_that_embed_no_texts_are_refused() -> None:
    for score in (ZeroShot(), Retrieval()):
        assert score.unsuited(Setting(9, None, 0, 0, None, method=object())) is not None
        assert score.unsuited(Setting(9, None, 0, 0, None)) == "it takes a run, not images that are there already"
    with pytest.raises(UserError, match=r"metrics\.candidates must be at least 2"):
        Evaluator(count=10, candidates=1)
