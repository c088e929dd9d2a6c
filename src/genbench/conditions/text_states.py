"""States of a frozen text encoder: what a network attends to in the place of a caption's tokens."""

from typing import Any

import torch
from torch import Tensor

from genbench.conditions.base import Condition, States, check_count


class TextStates(Condition):
    """Rows are states (N, L, width), float32; those of the empty text stand for none.

    A method makes them of its captions, which remain its condition; networks are built for these.

    Args:
        empty: the states of the empty text, (1, L, width).
    """

    key = "prompt"

    def __init__(self, empty: Tensor) -> None:
        self.empty = empty

    @property
    def form(self) -> States:
        """The states."""
        return States(*self.empty.shape[1:])

    def check(self, rows: Tensor, count: int) -> Tensor:
        """Return states of the width."""
        check_count(rows, count, "sequences of states")
        if rows.ndim != 3 or rows.shape[2] != self.empty.shape[2] or rows.dtype != torch.float32:
            raise ValueError(f"states are float32 (N, L, {self.empty.shape[2]}), not of shape {tuple(rows.shape)}")
        return rows

    def null(self, count: int) -> Tensor:
        """Return the states of the empty text, the same for all."""
        return self.empty.repeat(count, 1, 1)

    def parse(self, text: str) -> Tensor:
        """Refuse: a text becomes states by its encoder.

        Raises:
            ValueError: always.
        """
        raise ValueError("a text becomes states by the encoder of the method")

    def describe(self, rows: Tensor) -> list[str]:
        """Return nothing: states say nothing to a person."""
        return [""] * len(rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the states of the empty text."""
        return {"empty": self.empty.tolist()}
