"""Retrieval between images and texts whose pairs are known: the rank of what is right, and recall."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

AT = (1, 5, 10)
"""The numbers of best matches among which papers look for the right one."""


def numbered(values: Iterable[Any]) -> tuple[dict[Any, int], Tensor]:
    """Return the numbers of M different values in the order of their first places, and that of each of N, (N,)."""
    numbers: dict[Any, int] = {}
    own = [numbers.setdefault(value, len(numbers)) for value in values]
    return numbers, torch.tensor(own, dtype=torch.long)


def same_text(texts: Sequence[str]) -> Tensor:
    """Return which of N texts are equal, bool (N, N): an image with one of them is not wrong with the other."""
    _, numbers = numbered(texts)
    return numbers[:, None] == numbers


def ranks(similarities: Tensor, matches: Tensor) -> Tensor:
    """Return how many wrong columns are as similar to each row as the best of its matches, int64 (N,); 0 is best.

    So a model that embeds everything alike finds nothing.

    Args:
        similarities: (N, M).
        matches: which columns are right, bool (N, M); at least one of each row.
    """
    right = similarities.where(matches, -torch.inf).amax(1, keepdim=True)
    return ((similarities >= right) & ~matches).sum(1)


def recall(found: Tensor, at: int) -> float:
    """Return the fraction of ranks (N,) among the first `at`."""
    return float((found < at).float().mean())
