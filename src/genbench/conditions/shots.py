"""A person, by some frames of that person, as few-shot methods take them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genbench.conditions.base import Condition, Vector, check_vectors
from genbench.conditions.classes import Classes
from genbench.conditions.packing import Packing
from genbench.conditions.source_images import SourceImages
from genbench.images import to_uint8


class Shots(Condition):
    """Rows are a person's number and K frames of that person in one tensor, float32 (N, 1 + K * C * H * W).

    See `Packing`. Frames are in [-1, 1]. The number says nothing to a method of a person it was not trained on.

    Args:
        people: their names, by their numbers.
        count: K, frames of a row; at least 1.
        shape: (C, H, W) of a frame.

    Raises:
        ValueError: an argument is out of range.
    """

    key = "condition"

    def __init__(self, people: Sequence[str], count: int, shape: Sequence[int]) -> None:
        if count < 1:
            raise ValueError(f"a person is shown by at least one frame, not {count}")
        self.people = Classes(people)
        self.count = count
        self.shape = SourceImages(shape).shape
        self._packing = Packing(self.people)

    @property
    def form(self) -> Vector:
        """The packed row; a method splits it before a network sees it."""
        channels, height, width = self.shape
        return Vector(self._packing.length + self.count * channels * height * width)

    def pack(self, people: Tensor, frames: Tensor) -> Tensor:
        """Return rows of people's numbers (N,) and of their frames (N, K, C, H, W)."""
        return self._packing.pack(people, frames)

    def split(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the people's numbers, int64 (N,), and their frames (N, K, C, H, W)."""
        people, frames = self._packing.split(rows)
        return people, frames.reshape(-1, self.count, *self.shape)

    def check(self, rows: Tensor, count: int) -> Tensor:
        """Return float32 rows of people who are known by a number, or of nobody in particular."""
        rows = check_vectors(rows, count, self.form.length, "a person's frames")
        people, most = self.split(rows)[0], len(self.people.names)
        if count and not 0 <= int(people.min()) <= int(people.max()) <= most:
            raise ValueError(f"people are numbers from 0 to {most - 1}, and {most} for nobody")
        return rows

    def null(self, count: int) -> Tensor:
        """Return grey frames of nobody."""
        return self.pack(self.people.null(count), torch.zeros(count, self.count, *self.shape))

    def parse(self, text: str) -> Tensor:
        """Refuse: a text shows nobody.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "a person is shown by frames, not by a text: leave it out for held-out people, or animate your own by "
            "edit editor=animate images=DIR driver=DIR"
        )

    def describe(self, rows: Tensor) -> list[str]:
        """Return who it is."""
        return self.people.describe(self.split(rows)[0])

    def picture(self, rows: Tensor) -> Tensor:
        """Return the first frame of each person."""
        return to_uint8(self.split(rows)[1][:, 0])

    def to_dict(self) -> dict[str, Any]:
        """Return the people's names, how many frames there are, and their shape."""
        return {"people": list(self.people.names), "count": self.count, "shape": list(self.shape)}
