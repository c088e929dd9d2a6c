"""Attributes that are there or not."""

import pytest
import torch

from genbench.conditions.attributes import Attributes

FACES = Attributes(["Smiling", "Male", "Eyeglasses"])


def test_what_is_named_is_present_and_all_else_absent() -> None:
    assert FACES.parse("Male").tolist() == [[0, 1, 0]]
    assert FACES.parse(" Eyeglasses , Smiling,").tolist() == [[1, 0, 1]]
    assert FACES.parse("").tolist() == [[0, 0, 0]]
    with pytest.raises(ValueError, match="no attribute 'Smilin'; did you mean Smiling"):
        FACES.parse("Male,Smilin")


def test_what_is_present_is_written_under_a_picture() -> None:
    assert FACES.describe(FACES.parse("Eyeglasses,Smiling")) == ["Smiling, Eyeglasses"]
    assert FACES.describe(torch.cat([FACES.null(1), FACES.parse("")])) == ["", ""]


def test_rows_that_are_no_attributes_are_refused() -> None:
    for row, message in (
        ([0.0, 1.0, -0.1], "from 0, absent, to 1, present"),
        ([0.0, 1.0, 1.1], "from 0, absent, to 1, present"),
        ([0.0, float("nan"), 1.0], "NaN"),
        ([0.0, 1.0], "vectors of 3 numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            FACES.check(torch.tensor([row]), 1)
    assert FACES.check(torch.tensor([[0, 1, 1]]), 1).dtype == torch.float32
    with pytest.raises(ValueError, match="at least one attribute"):
        Attributes([])
