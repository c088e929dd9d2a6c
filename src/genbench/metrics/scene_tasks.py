"""Held-out scenes of one digit, what edits of their pictures keep, and scenes that differ in one attribute."""

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from genbench.intervals import wilson
from genbench.metrics.extractors.digits import load_digit_classifier
from genbench.metrics.scene_reading import read_scenes
from genbench.metrics.scores.alignment import compare
from genbench.text.scenes import COLOURS, Scene, is_unseen

ATTRIBUTES = ("digit", "colour", "background")


class HasScenes(Protocol):
    """Data whose images are of known scenes."""

    def scenes(self, split: str) -> list[Scene]:
        """Return those of a split's images."""
        ...

    def store(self, split: str) -> Any:
        """Return its images."""
        ...


class Task(NamedTuple):
    """Pictures of one digit each, uint8 (N, 3, S, S), and their scenes."""

    images: Tensor
    scenes: list[Scene]


def one_digit_task(data: HasScenes, count: int) -> Task:
    """Return the first held-out scenes of one digit."""
    scenes = data.scenes("test")
    rows = [row for row, scene in enumerate(scenes) if len(scene.things) == 1][:count]
    return Task(data.store("test").samples[torch.tensor(rows)], [scenes[row] for row in rows])


def kept(pictures: Tensor, scenes: list[Scene]) -> dict[str, list[bool]]:
    """Return for each picture, uint8 (N, 3, S, S), whether its digit, its colour and its background are those asked."""
    shown = read_scenes(pictures, load_digit_classifier())
    right = [compare(scene, found) for scene, found in zip(scenes, shown, strict=True)]
    return {name: [bool(each[name]) for each in right] for name in ATTRIBUTES}


def altered(scenes: list[Scene], attribute: str) -> list[Scene]:
    """Return scenes that differ in one attribute, and that training shows."""
    colours, found = list(COLOURS), []
    for number, scene in enumerate(scenes):
        (thing,) = scene.things
        assert thing.digit is not None
        free = [colour for colour in colours if colour not in (thing.colour, scene.background)]
        if attribute == "background":
            found.append(scene._replace(background=free[number % len(free)]))
        elif attribute == "colour":
            seen = [colour for colour in free if not is_unseen(thing.digit, colours.index(colour))]
            found.append(scene._replace(things=(thing._replace(colour=seen[number % len(seen)]),)))
        else:
            own = colours.index(str(thing.colour))
            digits = [digit for digit in range(10) if digit != thing.digit and not is_unseen(digit, own)]
            found.append(scene._replace(things=(thing._replace(digit=digits[number % len(digits)]),)))
    return found


def fraction(about: dict[str, Any], hits: list[bool]) -> dict[str, Any]:
    """Return a row of a table: what it is about, the fraction that is right, and its interval of 95 %."""
    low, high = wilson(sum(hits), len(hits))
    return {
        **about,
        "images": len(hits),
        "right": round(sum(hits) / len(hits), 4),
        "from": round(low, 4),
        "to": round(high, 4),
    }
