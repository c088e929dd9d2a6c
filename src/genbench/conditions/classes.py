"""Classes, numbered from 0."""

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genbench.conditions.base import Condition, Index, check_count
from genbench.errors import near


class Classes(Condition):
    """Rows are class numbers (N,), int64.

    Args:
        names: of the classes, by their numbers.

    Raises:
        ValueError: there is none.
    """

    key = "label"

    def __init__(self, names: Sequence[str]) -> None:
        if not names:
            raise ValueError("a condition of classes takes at least one class")
        self.names = [str(name) for name in names]

    @property
    def form(self) -> Index:
        """The number."""
        return Index(len(self.names))

    def check(self, rows: Tensor, count: int) -> Tensor:
        """Return class numbers (count,)."""
        check_count(rows, count, "classes")
        if rows.ndim != 1 or rows.is_floating_point():
            raise ValueError(f"classes are whole numbers (N,), not {rows.dtype} of shape {tuple(rows.shape)}")
        if count and (rows.min() < 0 or rows.max() >= len(self.names)):
            raise ValueError(f"the condition must be classes from 0 to {len(self.names) - 1}")
        return rows

    def null(self, count: int) -> Tensor:
        """Return the number after the last class."""
        return torch.full((count,), len(self.names))

    def parse(self, text: str) -> Tensor:
        """Return the class of a number or of a name; whole numbers are always numbers."""
        return torch.tensor([self._number(text)])

    def describe(self, rows: Tensor) -> list[str]:
        """Return numbers and names."""
        names = [*self.names, ""]
        return [names[row] if names[row] in (str(row), "") else f"{row}: {names[row]}" for row in rows.tolist()]

    def to_dict(self) -> dict[str, Any]:
        """Return the names."""
        return {"names": self.names}

    def labels(self, rows: Tensor) -> Tensor:
        """Return the rows."""
        return rows

    def examples(self, count: int) -> Tensor:
        """Return the classes in turn."""
        return torch.arange(count) % len(self.names)

    def _number(self, text: str) -> int:
        if re.fullmatch(r"[+-]?[0-9]+", text):
            if 0 <= int(text) < len(self.names):
                return int(text)
            hint = f"; the class named {text} is label={self.names.index(text)}" if text in self.names else ""
            raise ValueError(f"there are classes 0 to {len(self.names) - 1}{hint}")
        if text not in self.names:
            raise ValueError(f"there is no class of this name{near(text, self.names)}")
        return self.names.index(text)
