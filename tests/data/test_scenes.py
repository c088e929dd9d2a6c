"""Scenes of coloured digits."""

from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.data.scenes import Scenes
from genbench.errors import UserError
from genbench.text.scenes import COLOURS, SIZES, Scene, is_unseen, parse


@pytest.fixture(scope="module")
def data() -> Scenes:
    return Scenes(count=600, held_out=300)


def pairs(scenes: list[Scene]) -> set[tuple[int | None, str | None]]:
    return {(thing.digit, thing.colour) for scene in scenes for thing in scene.things}


def test_a_scene_does_not_depend_on_how_many_there_are_or_on_the_runs_seed(data: Scenes) -> None:
    few = Scenes(count=100, held_out=50, seed=7)
    for split, count in (("train", 100), ("test", 50), ("unseen", 50)):
        assert few.scenes(split) == data.scenes(split)[:count]
        one, other = few.store(split), data.store(split)
        assert torch.equal(one.samples[:], other.samples[:count])
        assert one.conditions is not None
        assert other.conditions is not None
        assert torch.equal(one.conditions[:], other.conditions[:count])
    assert Scenes(count=100, scene_seed=1).scenes("train") != few.scenes("train")


@pytest.mark.parametrize("split", ["train", "test", "unseen"])
def test_captions_say_what_the_picture_shows(data: Scenes, split: str) -> None:
    rows = data.store(split).conditions
    assert rows is not None
    sized = 0
    for text, scene in zip(data.condition.describe(rows[:]), data.scenes(split), strict=True):
        said = parse(text)
        assert (said.relation, said.background) == (scene.relation, scene.background)
        for one, other in zip(said.things, scene.things, strict=True):
            assert one == other._replace(size=one.size and other.size)
            sized += one.size is not None
    # Some say how large a digit is, and some do not.
    assert 0 < sized < len(rows)


def test_clips_own_tokens_say_the_same() -> None:
    data, words = (Scenes(count=20, held_out=1, tokenizer=name) for name in ("clip_bpe", "words"))
    texts = [one.condition.describe(one.store("train").conditions[:]) for one in (data, words)]  # type: ignore
    assert texts[0] == texts[1]
    assert torch.equal(data.store("train").samples[:], words.store("train").samples[:])


def test_unseen_scenes_show_a_pair_that_the_others_never_show(data: Scenes) -> None:
    colours = list(COLOURS)
    unseen = {(digit, colours[number]) for digit in range(10) for number in range(8) if is_unseen(digit, number)}
    assert len(unseen) == 12
    known = Scenes(count=4_000, held_out=4_000)
    seen = pairs(known.scenes("train")) | pairs(known.scenes("test"))
    assert seen == {(digit, colour) for digit in range(10) for colour in colours} - unseen
    assert all(pairs([scene]) & unseen for scene in data.scenes("unseen"))
    assert pairs(known.scenes("unseen")) >= unseen
    # Composing takes parts that are known.
    assert {digit for digit, _ in seen} == set(range(10))
    assert {colour for _, colour in seen} == set(colours)


def test_every_attribute_occurs_about_equally_often() -> None:
    scenes = Scenes(count=8_000).scenes("train")
    things = [thing for scene in scenes for thing in scene.things]
    for values, kinds in (
        ([thing.size for thing in things], 2),
        ([scene.relation for scene in scenes if scene.relation], 4),
        ([scene.background for scene in scenes], 8),
        ([len(scene.things) for scene in scenes], 2),
    ):
        counts = [values.count(value) for value in set(values)]  # type: ignore[arg-type]
        assert len(counts) == kinds
        assert min(counts) > 0.85 * len(values) / kinds


@pytest.mark.parametrize("size", [32, 64])
def test_digits_lie_as_the_scene_says_in_pure_colours_with_edges_between(size: int) -> None:
    data = Scenes(count=1, held_out=200, size=size)
    store = data.store("test")
    for picture, scene in zip(store.samples[:], data.scenes("test"), strict=True):
        assert scene.background is not None
        ground = torch.tensor(COLOURS[scene.background])[:, None, None]
        assert scene.background not in [thing.colour for thing in scene.things]
        ink = (picture != ground).any(0)
        # The picture's rim is background, also beside large digits.
        assert not torch.cat([ink[0], ink[-1], ink[:, 0], ink[:, -1]]).any()
        present = {tuple(colour) for colour in picture.flatten(1).T.tolist()}
        for thing in scene.things:
            assert thing.colour is not None
            assert COLOURS[thing.colour] in present
        if len(scene.things) == 1:
            assert max(extent(ink)) == pytest.approx(SIZES[scene.things[0].size or ""] * size, abs=1 + size // 32)
        else:
            across = scene.relation in ("left of", "right of")
            lines = ink.any(0) if across else ink.any(1)
            # The halves of the picture have a digit each.
            assert lines[: size // 2].any()
            assert lines[size // 2 :].any()
            assert not lines[size // 2 - size // 32 : size // 2 + size // 32].any()
            first = halves(picture, across)[scene.relation in ("right of", "below")]
            assert scene.things[0].colour is not None
            assert COLOURS[scene.things[0].colour] in {tuple(one) for one in first.flatten(1).T.tolist()}
        # Nothing else than mixtures of the background with one digit's colour.
        assert is_mixture(picture, ground, [torch.tensor(COLOURS[thing.colour or ""]) for thing in scene.things])


def extent(ink: Tensor) -> tuple[int, int]:
    rows, columns = ink.any(1).nonzero(), ink.any(0).nonzero()
    return int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1


def halves(picture: Tensor, across: bool) -> tuple[Tensor, Tensor]:
    middle = picture.shape[1] // 2
    if across:
        return picture[:, :, :middle], picture[:, :, middle:]
    return picture[:, :middle], picture[:, middle:]


def is_mixture(picture: Tensor, ground: Tensor, colours: list[Tensor]) -> bool:
    away = (picture.double() - ground).flatten(1)
    found = torch.zeros(away.shape[1], dtype=torch.bool)
    for colour in colours:
        line = (colour[:, None] - ground[:, :, 0]).double()
        amount = (away * line).sum(0) / (line**2).sum()
        found |= (away - amount * line).abs().amax(0) < 1
    return bool(found.all())


def test_held_out_scenes_are_of_digit_images_that_training_never_shows(data: Scenes) -> None:
    # One digit at one size in one place, in many scenes: shapes of the two splits are never the same.
    def shapes(split: str) -> set[bytes]:
        found = set()
        for picture, scene in zip(data.store(split).samples[:], data.scenes(split), strict=True):
            if len(scene.things) == 1:
                ink = (picture != torch.tensor(COLOURS[scene.background or ""])[:, None, None]).any(0)
                rows, columns = ink.any(1).nonzero(), ink.any(0).nonzero()
                cut = picture[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].float()
                level = (cut - cut[:, :1, :1]).abs().sum(0)
                found.add((level / level.max() * 8).round().numpy().tobytes())
        return found

    train = shapes("train")
    assert not train & (shapes("test") | shapes("unseen"))
    # Some are shown twice within a split, so the comparison can find equals.
    assert len(train) < sum(len(scene.things) == 1 for scene in data.scenes("train"))


def test_what_does_not_do_is_refused_by_name() -> None:
    for wrong, message in (
        ({"size": 48}, r"data\.size must be 32 or 64"),
        ({"count": 0}, r"data\.count must be at least 1"),
        ({"held_out": 0}, r"data\.held_out must be at least 1"),
        ({"scene_seed": -1}, r"data\.scene_seed must be at least 0"),
    ):
        with pytest.raises(UserError, match=message):
            Scenes(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="scenes has no val split, only train, test, unseen"):
        Scenes(count=1, held_out=1).store("val")


@pytest.mark.parametrize(("labels", "of"), [("digit", "digit"), ("colour", "colour"), ("background", None)])
def test_scenes_of_one_digit_may_be_labelled_with_classes(labels: Any, of: str | None) -> None:
    data = Scenes(count=200, held_out=50, labels=labels)
    for split in data.splits:
        scenes, store = data.scenes(split), data.store(split)
        assert all(len(scene.things) == 1 for scene in scenes)
        shown = [scene.background if of is None else getattr(scene.things[0], of) for scene in scenes]
        names = data.class_names
        assert store.conditions is not None
        assert names is not None
        assert [names[row] for row in store.conditions[:].tolist()] == [str(each) for each in shown]
    with pytest.raises(UserError, match=r"data\.tokenizer=clip_bpe has no effect"):
        Scenes(labels=labels, tokenizer="clip_bpe")


def test_scenes_of_one_digit_are_captioned_too() -> None:
    data = Scenes(count=60, held_out=40, most_digits=1)
    for split in data.splits:
        assert {len(scene.things) for scene in data.scenes(split)} == {1}
    rows = data.store("test").conditions
    assert rows is not None
    said = [parse(text) for text in data.condition.describe(rows[:])]  # type: ignore[union-attr]
    assert [(len(scene.things), scene.background) for scene in said] == [
        (1, scene.background) for scene in data.scenes("test")
    ]
    # The same words as of two.
    assert data.condition.to_dict() == Scenes(count=1).condition.to_dict()  # type: ignore[union-attr]
    with pytest.raises(UserError, match="most_digits"):
        Scenes(most_digits=3)
