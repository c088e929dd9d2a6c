"""Captions with low-resolution images: what goes into one tensor comes out again."""

import pytest
import torch

from genbench.conditions.captions import Captions
from genbench.conditions.classes import Classes
from genbench.conditions.joint import Joint

JOINT = Joint(Captions(["a", "one", "two"], 4), (3, 2, 2))
TOKENS = JOINT.shown.encode(["a one", "two"])
IMAGES = torch.linspace(-1, 1, 24).view(2, 3, 2, 2)
ROWS = JOINT.pack(TOKENS, IMAGES)


def test_tokens_and_images_come_out_as_they_went_in() -> None:
    assert ROWS.shape == (2, 4 + 12) == (2, JOINT.form.length)
    tokens, images = JOINT.split(ROWS)
    assert tokens.dtype == torch.int64
    assert torch.equal(tokens, TOKENS)
    assert torch.equal(images, IMAGES)
    # The largest token of CLIP's vocabulary is exact, too.
    assert JOINT.split(JOINT.pack(torch.full((1, 4), 49407), IMAGES[:1]))[0].unique().tolist() == [49407]
    large = torch.rand(2, 3, 5, 5)
    assert torch.equal(JOINT.split(JOINT.pack(TOKENS, large))[1], large)


def test_the_caption_is_dropped_and_the_image_kept() -> None:
    tokens, images = JOINT.split(JOINT.without(ROWS))
    assert torch.equal(tokens, JOINT.shown.null(2))
    assert torch.equal(images, IMAGES)


def test_it_is_described_shown_and_kept() -> None:
    assert JOINT.describe(ROWS) == ["a one", "two"]
    assert JOINT.picture(ROWS).dtype == torch.uint8
    assert JOINT.picture(ROWS)[0, 0, 0, 0] == 0
    again = Joint.from_dict(JOINT.to_dict())
    assert again.to_dict() == JOINT.to_dict()
    assert torch.equal(again.check(ROWS, 2), ROWS)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (ROWS[:1], "2 samples"),
        (ROWS[:, 1:], "float32"),
        (ROWS.double(), "float32"),
        (ROWS.index_fill(1, torch.tensor([9]), torch.nan), "NaN"),
        (ROWS.index_fill(1, torch.tensor([0]), 99.0), "tokens are numbers"),
    ],
)
def test_rows_that_do_not_do(rows: torch.Tensor, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        JOINT.check(rows, 2)


def test_a_prompt_alone_says_no_image() -> None:
    with pytest.raises(ValueError, match="low-resolution image beside the prompt"):
        JOINT.parse("a one")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "no condition"),
        ({"shown": {"_target_": "os.path"}, "shape": [3, 2, 2]}, "is no condition"),
        ({"shown": {"_target_": "genbench.nowhere.Nothing"}, "shape": [3, 2, 2]}, "there is no genbench.nowhere"),
        ({"captions": 3, "shape": [3, 2, 2]}, "captions="),
        ({"captions": {"words": ["a"], "length": 2}}, "shape"),
    ],
)
def test_facts_of_a_file_that_do_not_do(facts: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Joint.from_dict(facts)


def test_classes_may_be_shown_and_older_files_say_captions() -> None:
    labelled = Joint(Classes(["cat", "dog"]), (3, 2, 2))
    rows = labelled.pack(torch.tensor([1, 0]), IMAGES)
    assert torch.equal(labelled.check(rows, 2), rows)
    shown, images = labelled.split(rows)
    assert shown.tolist() == [1, 0]
    assert torch.equal(images, IMAGES)
    assert labelled.split(labelled.without(rows))[0].tolist() == [2, 2]
    assert labelled.describe(rows) == ["1: dog", "0: cat"]
    again = Joint.from_dict(labelled.to_dict())
    assert isinstance(again.shown, Classes)
    assert again.shown.names == ["cat", "dog"]
    older = Joint.from_dict({"captions": JOINT.shown.to_dict(), "shape": [3, 2, 2]})
    assert older.to_dict() == JOINT.to_dict()
