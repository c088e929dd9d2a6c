"""What a frozen CLIP makes of a caption, beside an image's embedding, as networks are given both."""

from typing import Any

import torch
from torch import Tensor

from genbench.conditions.base import Condition, StatesAndVectors, check_count


class ClipCaptions(Condition):
    """Rows are the states of a caption's tokens, its embedding and an image's, in one: float32 (N, L * W + 2 D).

    A method makes them of its own condition, and builds its network for them.

    Args:
        empty: the row of the empty caption without an image, (1, L * W + 2 D).
        length: L, tokens of a caption.
        width: W, numbers of a state.
        dim: D, numbers of an embedding.
    """

    key = "prompt"

    def __init__(self, empty: Tensor, length: int, width: int, dim: int) -> None:
        self.empty = empty
        self._form = StatesAndVectors(length, width, dim)

    @property
    def form(self) -> StatesAndVectors:
        """All three."""
        return self._form

    def check(self, rows: Tensor, count: int) -> Tensor:
        """Return rows of the length."""
        check_count(rows, count, "captions as CLIP reads them")
        if tuple(rows.shape[1:]) != tuple(self.empty.shape[1:]) or rows.dtype != torch.float32:
            raise ValueError(f"captions as CLIP reads them are float32 (N, {self.empty.shape[1]})")
        return rows

    def null(self, count: int) -> Tensor:
        """Return the empty caption without an image."""
        return self.empty.repeat(count, 1)

    def parse(self, text: str) -> Tensor:
        """Refuse: a text is read by the CLIP of the method.

        Raises:
            ValueError: always.
        """
        raise ValueError("a text is read by the CLIP of the method")

    def describe(self, rows: Tensor) -> list[str]:
        """Return nothing: states say nothing to a person."""
        return [""] * len(rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the row of the empty caption, and the lengths."""
        form = self._form
        return {"empty": self.empty.tolist(), "length": form.length, "width": form.width, "dim": form.dim}
