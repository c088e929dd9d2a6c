"""The contract of editors, and what is said of one that breaks it."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.abilities import FillsIn, HasLatents
from genbench.editing.base import Editor, EditResult, Inputs, ability_of, edit_chunks
from genbench.editing.inpaint import Inpaint
from genbench.editing.interpolate import Interpolate
from genbench.errors import DivergenceError, UserError
from genbench.medium import Images
from genbench.randomness import Noise


class Bare(Editor):
    """Return noise as images, and what a test makes of it."""

    scores = {"first": "the first pixel", "curve": "three numbers"}
    chunk = 3
    medium = Images((1, 2, 2))

    def __init__(self, method: HasLatents | None = None, change: Callable[[EditResult], EditResult] = lambda x: x):
        self.change = change
        self.seen: list[Inputs] = []

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        self.seen.append(inputs)
        pictures = (256 * noise.uniform(inputs.count, 1, 2, 2)).to(torch.uint8)
        frames = pictures[:, None].expand(-1, 4, -1, -1, -1)
        first = pictures[:, 0, 0, 0].float()
        return self.change(EditResult(pictures, frames, {"first": first, "curve": first[:, None].expand(-1, 3)}))


def given(rows: Tensor) -> Inputs:
    return Inputs(len(rows), images=rows.float().view(-1, 1, 1, 1).expand(-1, 1, 2, 2))


def test_an_edit_depends_on_its_number_and_a_chunk_is_made_whole() -> None:
    editor = Bare()
    chunks = list(edit_chunks(editor, 7, 5, given))
    assert [(first, len(result.pictures)) for first, result in chunks] == [(0, 3), (3, 3), (6, 1)]
    assert all(inputs.count == 3 for inputs in editor.seen)
    # What fills up the last chunk is its last edit.
    rows = [inputs.images[:, 0, 0, 0].tolist() for inputs in editor.seen]  # type: ignore[index]
    assert rows == [[0, 1, 2], [3, 4, 5], [6, 6, 6]]
    fewer = list(edit_chunks(Bare(), 4, 5, given))
    for (_, one), (_, other) in zip(chunks, fewer, strict=False):
        kept = len(other.pictures)
        assert torch.equal(one.pictures[:kept], other.pictures)
        assert torch.equal(one.scores["curve"][:kept], other.scores["curve"])
    others = next(edit_chunks(Bare(), 4, 6, given))
    assert not torch.equal(others[1].pictures, chunks[0][1].pictures)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda result: result.pictures, UserError, "Bare.edit returned Tensor, not an EditResult"),
        (lambda result: EditResult(result.pictures[:, 0], None, result.scores), UserError, "its medium says"),
        (lambda result: EditResult(result.pictures[:2], None, result.scores), UserError, "its medium says"),
        (
            lambda result: EditResult(result.pictures.float(), None, result.scores),
            UserError,
            "its medium stores torch.uint8",
        ),
        (
            lambda result: EditResult(result.pictures, result.pictures, result.scores),
            UserError,
            r"must be uint8 \(3, T, C, H, W\)",
        ),
        (lambda result: EditResult(result.pictures), UserError, r"returned the scores \[\], and its `scores` says"),
        (
            lambda result: EditResult(result.pictures, None, {**result.scores, "first": torch.zeros(2)}),
            UserError,
            r"the score first of shape \(2,\)",
        ),
        (
            lambda result: EditResult(
                result.pictures, None, {**result.scores, "first": torch.tensor([0, torch.nan, 0])}
            ),
            DivergenceError,
            "the score first of edit 1 is not finite",
        ),
    ],
)
def test_a_result_that_breaks_the_contract_is_named(
    change: Callable[[EditResult], EditResult], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        next(edit_chunks(Bare(change=change), 3, 0, given))


def test_the_ability_is_the_annotation_of_the_method() -> None:
    assert ability_of(Inpaint) is FillsIn
    assert ability_of(Interpolate) is HasLatents

    class Unannotated(Bare):
        def __init__(self, method: Any) -> None:
            super().__init__()

    with pytest.raises(ValueError, match="annotated by one of"):
        ability_of(Unannotated)
