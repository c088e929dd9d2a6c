"""Prompts that pictures are led to: several at once, each with a weight and a distance at which it stops.

a red three on blue                       one prompt
a red three:2|a photo:0.5|noise:-1        three, the last one to be kept away from
a red three:1:0.3                         nearer than 0.3 it has no effect
"""

import math
from dataclasses import dataclass

_BETWEEN, _WITHIN = "|", ":"


@dataclass(frozen=True)
class Prompt:
    """A text with its weight.

    Attributes:
        text: what a picture is to show.
        weight: of its distance; below 0 the picture is led away from it.
        stop: the distance, times the sign of the weight, at which it has no effect any more; minus infinity for none.
    """

    text: str
    weight: float = 1.0
    stop: float = -math.inf


def parse_prompts(text: str) -> list[Prompt]:
    """Return the prompts of a text, `text:weight:stop` each, of which weight and stop may be left out.

    What follows a colon is a weight only if it is a number, so "title: a three" is all text. A text that itself ends in
    a colon and a number needs both said: `at 12:30:1:-10`.

    Raises:
        ValueError: a prompt is empty, or a number of it is not finite or a weight of 0.
    """
    prompts = []
    for part in text.split(_BETWEEN):
        words, numbers = _split(part)
        if not words:
            raise ValueError(f"{text!r} has a prompt without a text: write text:weight:stop|text:weight|...")
        if any(not math.isfinite(number) for number in numbers) or numbers[:1] == [0]:
            raise ValueError(f"{part.strip()!r} needs a finite weight other than 0, and a finite stop")
        prompts.append(Prompt(words, *numbers))
    return prompts


def _split(part: str) -> tuple[str, list[float]]:
    """Return the text of a prompt, and at most two numbers behind it."""
    numbers: list[float] = []
    while len(numbers) < 2:
        before, colon, last = part.rpartition(_WITHIN)
        number = _number(last)
        if not colon or number is None:
            break
        numbers.insert(0, number)
        part = before
    return part.strip(), numbers


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
