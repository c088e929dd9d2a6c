"""Prompts with weights and stops."""

import math

import pytest

from genbench.text.prompts import Prompt, parse_prompts


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("a red three", [Prompt("a red three")]),
        ("a:2", [Prompt("a", 2.0)]),
        ("a:2:0.3", [Prompt("a", 2.0, 0.3)]),
        ("a : -1 | b:.5", [Prompt("a", -1.0), Prompt("b", 0.5)]),
        ("title: a three", [Prompt("title: a three")]),
        ("at 12:30:1", [Prompt("at 12", 30.0, 1.0)]),
        ("at 12:30:1:-9", [Prompt("at 12:30", 1.0, -9.0)]),
        ("title: a three:2", [Prompt("title: a three", 2.0)]),
    ],
)
def test_what_a_text_says(text: str, prompts: list[Prompt]) -> None:
    assert parse_prompts(text) == prompts
    assert parse_prompts("a")[0].stop == -math.inf


@pytest.mark.parametrize("text", ["", "a|", "|a", ":2", "a:0", "a:nan", "a:inf", "a:1:nan"])
def test_what_is_no_prompt(text: str) -> None:
    with pytest.raises(ValueError, match=r"prompt without a text|finite weight"):
        parse_prompts(text)
