"""What every DataModule yields."""

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """Samples with what they show.

    Attributes:
        x: images float32 in [-1, 1], (B, C, H, W), or points (B, N, D).
        condition: B rows of the data set's condition (see `conditions`), or None.
    """

    x: Tensor
    condition: Tensor | None

    def pair(self) -> tuple[Tensor, Tensor]:
        """Return the samples and their conditions, which must be there."""
        assert self.condition is not None
        return self.x, self.condition

    def split(self, parts: int) -> "list[Batch]":
        """Return it in parts, in order, whose sizes differ by one at most; fewer than asked for, rather than empty."""
        parts = min(parts, len(self.x))
        conditions = [None] * parts if self.condition is None else self.condition.tensor_split(parts)
        return [Batch(x, y) for x, y in zip(self.x.tensor_split(parts), conditions, strict=True)]
