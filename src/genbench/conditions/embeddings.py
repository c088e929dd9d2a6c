"""Embeddings of images or texts, such as CLIP's."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genbench.conditions.base import Condition, Vector, check_vectors
from genbench.errors import first_line


class Embeddings(Condition):
    """Rows are vectors (N, dim), float32.

    Args:
        dim: length of an embedding; at least 1.

    Raises:
        ValueError: `dim` is out of range.
    """

    key = "embedding"

    def __init__(self, dim: int) -> None:
        if dim < 1:
            raise ValueError(f"an embedding has at least one number, not {dim}")
        self.dim = dim

    @property
    def form(self) -> Vector:
        """The vector."""
        return Vector(self.dim)

    def check(self, rows: Tensor, count: int) -> Tensor:
        """Return finite vectors."""
        return check_vectors(rows, count, self.dim, "embeddings")

    def null(self, count: int) -> Tensor:
        """Return zeros, which no normalised embedding is."""
        return torch.zeros(count, self.dim)

    def parse(self, text: str) -> Tensor:
        """Return the vector of an `.npy` file."""
        try:
            vector = np.load(Path(text).expanduser(), allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(f"{text} can't be read as an .npy file ({first_line(error)})") from error
        if not isinstance(vector, np.ndarray) or vector.dtype.kind not in "fiu":
            held = vector.dtype if isinstance(vector, np.ndarray) else "several arrays"
            raise ValueError(f"{text} holds {held}, and an embedding is one array of real numbers, .npy")
        if vector.size != self.dim:
            raise ValueError(f"{text} has the shape {vector.shape}, and an embedding has {self.dim} numbers")
        return self.check(torch.from_numpy(np.ascontiguousarray(vector, dtype=np.float32)).reshape(1, -1), 1)

    def describe(self, rows: Tensor) -> list[str]:
        """Return nothing: a vector says nothing to a person."""
        return [""] * len(rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the length."""
        return {"dim": self.dim}
