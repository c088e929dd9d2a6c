"""Source images with their target domains: what is packed, asked for and shown in turn."""

import json

import pytest
import torch

from genbench.conditions.attributes import Attributes
from genbench.conditions.captions import Captions
from genbench.conditions.classes import Classes
from genbench.conditions.source_images import SourceImages
from genbench.conditions.target_domain import TargetDomain, flipped
from genbench.images import to_uint8

SHAPE = (3, 2, 2)
CLASSES = TargetDomain(Classes(["light", "medium", "dark"]), SHAPE)
ATTRIBUTES = TargetDomain(Attributes(["Blond", "Male"]), SHAPE, drawn=True)
IMAGES = torch.arange(24, dtype=torch.uint8).view(2, 3, 2, 2)
FLOATS = IMAGES / 127.5 - 1


@pytest.mark.parametrize("condition", [CLASSES, ATTRIBUTES])
def test_it_is_kept_in_a_file_and_read_again(condition: TargetDomain) -> None:
    again = TargetDomain.from_dict(json.loads(json.dumps(condition.to_dict())))
    assert again.to_dict() == condition.to_dict()
    assert again.drawn == condition.drawn
    assert type(again.domains) is type(condition.domains)
    assert again.form == condition.form


def test_rows_that_are_derived_from_drawn_targets_ask_for_other_samples() -> None:
    assert CLASSES.restores
    assert not ATTRIBUTES.restores
    assert CLASSES.key == ATTRIBUTES.key == "target"
    assert CLASSES.sources.shape == SHAPE


def test_a_domain_is_asked_for_by_number_or_name() -> None:
    for text in ("dark", "2"):
        row = CLASSES.parse(text)
        assert CLASSES.split(CLASSES.check(row, 1))[0].tolist() == [2]
        assert CLASSES.describe(row) == ["2: dark"]
    assert ATTRIBUTES.split(ATTRIBUTES.parse("Male"))[0].tolist() == [[0.0, 1.0]]
    with pytest.raises(ValueError, match="no class of this name"):
        CLASSES.parse("drak")


def test_ones_own_images_go_into_one_domain_or_each_into_all() -> None:
    rows = CLASSES.of_sources(IMAGES, CLASSES.parse("dark"))
    targets, images = CLASSES.split(rows)
    assert targets.tolist() == [2, 2]
    torch.testing.assert_close(images, FLOATS)
    targets, images = CLASSES.split(CLASSES.check(CLASSES.of_sources(IMAGES), 6))
    assert targets.tolist() == [0, 1, 2, 0, 1, 2]
    torch.testing.assert_close(images, FLOATS.repeat_interleave(3, 0))
    # Of attributes each by itself, since an image of one's own has no known ones.
    assert ATTRIBUTES.split(ATTRIBUTES.of_sources(IMAGES))[0].tolist() == [[1, 0], [0, 1]] * 2
    assert torch.equal(SourceImages(SHAPE).of_sources(IMAGES), IMAGES)


def test_pictures_show_each_source_once_with_all_domains() -> None:
    rows = CLASSES.pack(torch.tensor([1, 0, 2]), FLOATS[[0, 1, 0]])
    shown = CLASSES.in_turn(rows, 7)
    targets, images = CLASSES.split(shown)
    assert targets.tolist() == [0, 1, 2, 0, 1, 2, 0]
    torch.testing.assert_close(images[:6], FLOATS.repeat_interleave(3, 0))
    assert torch.equal(to_uint8(images), CLASSES.picture(shown))
    # Of attributes one after the other changes.
    own = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    targets, _ = ATTRIBUTES.split(ATTRIBUTES.in_turn(ATTRIBUTES.pack(own, FLOATS), 4))
    assert targets.tolist() == [[0, 0], [1, 1], [1, 0], [0, 1]]


def test_flipping_twice_changes_nothing() -> None:
    attributes, places = torch.tensor([[1.0, 0.0, 0.5], [0.0, 1.0, 1.0]]), torch.tensor([1, 2])
    once = flipped(attributes, places)
    assert once.tolist() == [[1, 1, 0.5], [0, 1, 0]]
    assert torch.equal(flipped(once, places), attributes)


def test_what_are_no_domains() -> None:
    with pytest.raises(ValueError, match="at least two"):
        TargetDomain(Classes(["one"]), SHAPE)
    with pytest.raises(ValueError, match="classes or attributes, not Captions"):
        TargetDomain(Captions(["a"], 2), SHAPE)
    with pytest.raises(ValueError, match="classes from 0 to 2"):
        CLASSES.check(CLASSES.pack(torch.tensor([3]), FLOATS[:1]), 1)
