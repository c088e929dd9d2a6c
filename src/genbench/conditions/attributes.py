"""Attributes that are there or not, such as CelebA's."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genbench.conditions.base import Condition, Vector, check_vectors
from genbench.errors import near


class Attributes(Condition):
    """Rows are (N, K), float32: 1 for an attribute that is there, 0 for one that is not, 1/2 where nothing is said.

    Args:
        names: of the attributes, in the order of the columns.

    Raises:
        ValueError: there is none.
    """

    key = "attributes"

    def __init__(self, names: Sequence[str]) -> None:
        if not names:
            raise ValueError("a condition of attributes takes at least one attribute")
        self.names = [str(name) for name in names]

    @property
    def form(self) -> Vector:
        """The columns."""
        return Vector(len(self.names))

    def check(self, rows: Tensor, count: int) -> Tensor:
        """Return rows in [0, 1]."""
        rows = check_vectors(rows, count, len(self.names), "attributes")
        if count and not (rows.min() >= 0 and rows.max() <= 1):
            raise ValueError("attributes are numbers from 0, absent, to 1, present")
        return rows

    def null(self, count: int) -> Tensor:
        """Return rows that say nothing."""
        return torch.full((count, len(self.names)), 0.5)

    def parse(self, text: str) -> Tensor:
        """Return the row of names, separated by commas, that are present; all others are absent."""
        row = torch.zeros(1, len(self.names))
        for name in filter(None, (part.strip() for part in text.split(","))):
            if name not in self.names:
                raise ValueError(f"there is no attribute {name!r}{near(name, self.names)}")
            row[0, self.names.index(name)] = 1
        return row

    def describe(self, rows: Tensor) -> list[str]:
        """Return the names of those that are present."""
        return [", ".join(self.names[index] for index in (row > 0.5).nonzero()[:, 0].tolist()) for row in rows]

    def to_dict(self) -> dict[str, Any]:
        """Return the names."""
        return {"names": self.names}
