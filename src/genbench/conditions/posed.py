"""A person by some frames, and the pose in which that person is to be drawn, as talking heads take them."""

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from genbench.conditions.base import Condition, Vector, check_vectors
from genbench.conditions.shots import Shots
from genbench.conditions.stored import from_facts, to_facts


class Posed(Condition):
    """Rows are key points and a row of `Shots` in one tensor, float32 (N, (1 + K) * P * 2 + M).

    First come the key points of the pose that is asked for, then those of each of the K frames: (x, y) in [-1, 1].

    Args:
        shots: the person and K frames.
        points: P, key points of a frame; at least 1.

    Raises:
        ValueError: there is no key point.
    """

    key = "condition"

    def __init__(self, shots: Shots, points: int) -> None:
        if points < 1:
            raise ValueError(f"a pose is at least one key point, not {points}")
        self.shots = shots
        self.points = points
        self._numbers = (1 + shots.count) * points * 2

    @property
    def form(self) -> Vector:
        """The packed row; a method splits it before a network sees it."""
        return Vector(self._numbers + self.shots.form.length)

    def pack(self, points: Tensor, shots: Tensor) -> Tensor:
        """Return rows of key points (N, 1 + K, P, 2) and of rows (N, M) of `shots`."""
        return torch.cat([points.flatten(1).to(shots), shots], dim=1)

    def split(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the key points (N, 1 + K, P, 2), the people's numbers (N,) and their frames (N, K, C, H, W)."""
        points, shots = rows.tensor_split([self._numbers], dim=1)
        return points.reshape(len(rows), 1 + self.shots.count, self.points, 2), *self.shots.split(shots)

    def check(self, rows: Tensor, count: int) -> Tensor:
        """Return float32 rows."""
        rows = check_vectors(rows, count, self.form.length, "poses with a person's frames")
        self.shots.check(rows[:, self._numbers :], count)
        return rows

    def null(self, count: int) -> Tensor:
        """Return grey frames of nobody, whose key points are all in the middle."""
        return self.pack(torch.zeros(count, 1 + self.shots.count, self.points, 2), self.shots.null(count))

    def parse(self, text: str) -> Tensor:
        """Refuse, as `Shots` do.

        Raises:
            ValueError: always.
        """
        return self.shots.parse(text)

    def describe(self, rows: Tensor) -> list[str]:
        """Return who it is."""
        return self.shots.describe(rows[:, self._numbers :])

    def picture(self, rows: Tensor) -> Tensor:
        """Return the first frame of each person."""
        return self.shots.picture(rows[:, self._numbers :])

    def to_dict(self) -> dict[str, Any]:
        """Return what the shots are, and how many key points there are."""
        return {"shots": to_facts(self.shots), "points": self.points}

    @classmethod
    def from_dict(cls, arguments: Mapping[str, Any]) -> Self:
        """Return the condition of these arguments, which a file may hold.

        Raises:
            ValueError: they are not of the right kinds.
        """
        shots = from_facts(arguments.get("shots"))
        if not isinstance(shots, Shots):
            raise ValueError("shots= of a pose is no person's frames")
        return super().from_dict({**arguments, "shots": shots})
