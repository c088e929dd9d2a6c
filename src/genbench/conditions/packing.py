"""Rows of a condition and further numbers of each in one tensor, for what passes a single tensor on."""

import torch
from torch import Tensor

from genbench.conditions.base import Condition


class Packing:
    """Packs rows (N, ...) with whatever else belongs to each, (N, ...), as float32 (N, length + M).

    Whole numbers, such as a caption's tokens, are exact in float32 up to 2^24.

    Args:
        shown: the condition; None for none, whose rows have no numbers.

    Attributes:
        length: numbers of a row.
    """

    def __init__(self, shown: Condition | None) -> None:
        self._null = torch.zeros(1, 0) if shown is None else shown.null(1)
        self.length = self._null.numel()

    def null(self, count: int) -> Tensor:
        """Return rows (count, ...) of the null condition."""
        return self._null.expand(count, *self._null.shape[1:])

    def pack(self, rows: Tensor, rest: Tensor) -> Tensor:
        """Return both, in the dtype of the rest and on its device."""
        return torch.cat([rows.reshape(len(rest), self.length).to(rest), rest.flatten(1)], dim=1)

    def split(self, packed: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rows, in their own dtype and shape, and the rest (N, M)."""
        rows, rest = packed.tensor_split([self.length], dim=1)
        return rows.to(self._null.dtype).reshape(len(packed), *self._null.shape[1:]), rest
