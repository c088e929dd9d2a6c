"""Classes by their numbers and names."""

import pytest
import torch

from genbench.conditions.classes import Classes

ANIMALS = Classes(["cat", "dog", "owl"])


def test_a_class_is_asked_for_by_number_or_name() -> None:
    assert ANIMALS.parse("1").tolist() == ANIMALS.parse("dog").tolist() == [1]
    # Whole numbers are always numbers, whatever classes are called.
    years = Classes(["2", "0", "1"])
    assert years.parse("2").tolist() == [2]
    for text, message in (
        ("3", r"classes 0 to 2$"),
        ("-1", r"classes 0 to 2$"),
        ("dgo", "no class of this name; did you mean dog"),
        ("1.0", "no class of this name"),
        ("", "no class of this name"),
    ):
        with pytest.raises(ValueError, match=message):
            ANIMALS.parse(text)
    with pytest.raises(ValueError, match="classes 0 to 1; the class named 2010 is label=1"):
        Classes(["2009", "2010"]).parse("2010")


def test_numbers_and_names_are_written_under_pictures() -> None:
    assert ANIMALS.describe(torch.tensor([0, 2])) == ["0: cat", "2: owl"]
    # A name that is the number is not written twice; the row that stands for none has none.
    assert Classes(["0", "1"]).describe(torch.tensor([1, 0, 2])) == ["1", "0", ""]


def test_examples_are_the_classes_in_turn() -> None:
    assert ANIMALS.examples(5).tolist() == [0, 1, 2, 0, 1]


def test_rows_that_are_no_classes_are_refused() -> None:
    for rows, message in (
        (torch.tensor([0, 3]), "classes from 0 to 2"),
        (torch.tensor([-1, 0]), "classes from 0 to 2"),
        (torch.tensor([0.0, 1.0]), "whole numbers"),
        (torch.zeros(2, 1, dtype=torch.long), "whole numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            ANIMALS.check(rows, 2)
    with pytest.raises(ValueError, match="at least one class"):
        Classes([])
