"""What all kinds of conditions have in common."""

import json

import pytest
import torch

from genbench.conditions.attributes import Attributes
from genbench.conditions.base import Channels, Condition, Conditions, Form, Index, Tokens, Vector
from genbench.conditions.captions import Captions
from genbench.conditions.choosing import chosen, expect
from genbench.conditions.classes import Classes
from genbench.conditions.embeddings import Embeddings
from genbench.conditions.source_images import SourceImages

KINDS: dict[str, Condition] = {
    "classes": Classes(["cat", "dog", "owl"]),
    "attributes": Attributes(["Smiling", "Male"]),
    "captions": Captions(["a", "cat", "dog", ","], 5),
    "sources": SourceImages((3, 4, 6)),
    "embeddings": Embeddings(7),
}
FORMS: dict[str, Form] = {
    "classes": Index(3),
    "attributes": Vector(2),
    "captions": Tokens(6, 5),
    "sources": Channels((3, 4, 6)),
    "embeddings": Vector(7),
}
ROWS = {
    "classes": torch.tensor([2, 0]),
    "attributes": torch.tensor([[1.0, 0.0], [0.25, 0.5]]),
    "captions": torch.tensor([[2, 3, 0, 0, 0], [1, 5, 4, 2, 2]]),
    "sources": torch.rand(2, 3, 4, 6) * 2 - 1,
    "embeddings": torch.randn(2, 7),
}
"""Two rows of each, as a method is given them."""


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_what_is_written_as_json_makes_the_same_again(kind: str) -> None:
    condition = KINDS[kind]
    again = type(condition).from_dict(json.loads(json.dumps(condition.to_dict())))
    assert again.to_dict() == condition.to_dict()
    assert again.form == condition.form == FORMS[kind]
    assert torch.equal(again.check(ROWS[kind], 2), ROWS[kind])


def test_rows_that_are_right_pass(kind: str) -> None:
    condition, rows = KINDS[kind], ROWS[kind]
    assert torch.equal(condition.check(rows, 2), rows)
    assert condition.check(rows[:0], 0).shape == rows[:0].shape


@pytest.mark.parametrize("count", [0, 1, 3])
def test_there_must_be_a_row_for_each_sample(kind: str, count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} samples take as many .*, not 2"):
        KINDS[kind].check(ROWS[kind], count)


def test_rows_of_other_kinds_are_refused(kind: str) -> None:
    for other, rows in ROWS.items():
        if other != kind:
            with pytest.raises(ValueError, match="are"):
                KINDS[kind].check(rows, 2)


def test_the_row_that_stands_for_none_is_like_any_other_in_shape_and_type(kind: str) -> None:
    rows = KINDS[kind].null(3)
    assert rows.shape == (3, *ROWS[kind].shape[1:])
    assert rows.dtype == ROWS[kind].dtype
    assert torch.equal(rows[0], rows[2])
    assert not any(torch.equal(rows[0], row) for row in ROWS[kind])


def test_stored_rows_and_those_of_a_method_are_of_the_same_meaning(kind: str) -> None:
    condition = KINDS[kind]
    stored = condition.store(ROWS[kind])
    assert (stored.dtype == torch.uint8) == (kind == "sources")
    assert torch.equal(condition.store(condition.load(stored)), stored)
    condition.check(condition.load(stored), 2)
    assert len(condition.describe(stored)) == 2


def test_arguments_that_do_not_do_are_value_errors(kind: str) -> None:
    for arguments in ({}, {**KINDS[kind].to_dict(), "color": "red"}):
        with pytest.raises(ValueError, match="argument"):
            type(KINDS[kind]).from_dict(arguments)


def test_some_rows_with_what_they_mean() -> None:
    conditions = Conditions(KINDS["classes"], torch.tensor([2, 0, 1]))
    assert len(conditions) == 3
    some = conditions[torch.tensor([1, 1])]
    assert some.kind is conditions.kind
    assert some.rows.tolist() == [0, 0]
    assert conditions[:2].describe() == ["2: owl", "0: cat"]
    assert some.labels is not None
    assert some.labels.tolist() == [0, 0]
    assert conditions.picture() is None
    sources = Conditions(KINDS["sources"], KINDS["sources"].store(ROWS["sources"]))
    assert (sources.describe(), sources.labels) == (None, None)
    assert sources.picture() is sources.rows
    torch.testing.assert_close(sources.load(), ROWS["sources"], atol=1 / 255, rtol=0)


def test_classes_alone_are_labels_and_have_examples() -> None:
    assert KINDS["classes"].examples(5) is not None
    for name in sorted({*KINDS} - {"classes"}):
        assert KINDS[name].labels(ROWS[name]) is None
        assert KINDS[name].examples(2) is None


def test_the_datas_condition_is_taken_if_a_method_is_to_be_conditional() -> None:
    condition = KINDS["captions"]
    assert chosen(True, condition) is condition
    assert chosen(False, condition) is None
    assert chosen(False, None) is None
    with pytest.raises(ValueError, match="takes data with a condition"):
        chosen(True, None)
    assert expect(condition, Captions, "captions, please") is condition
    for other in (None, KINDS["classes"]):
        with pytest.raises(ValueError, match="captions, please"):
            expect(other, Captions, "captions, please")
