"""The splits of real images that a run is scored on which draws nothing, and their images."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from genbench.images import to_float
from genbench.metrics.material import Origin

UNSEEN = "unseen"
"""A split that asks whether a method composes what it learnt, where a data set has one."""

_BATCH = 64


def scored_splits(origin: Origin) -> list[tuple[str, str]]:
    """Return each split to be scored, and the ending of its figures: the held-out one, and `UNSEEN` if there is one."""
    also = [(UNSEEN, f"_{UNSEEN}")] if UNSEEN in origin.data.splits and origin.split != UNSEEN else []
    return [(origin.split, ""), *also]


def facts_of_splits(origin: Origin) -> dict[str, Any]:
    """Return what a protocol says of the images of the scored splits."""
    data = origin.data
    return {"scored": {"data": data.name, **{split: data.identity(split) for split, _ in scored_splits(origin)}}}


def batches_of(store: Any, rows: Tensor | None = None) -> Iterator[Tensor]:
    """Yield the images of some rows of a split, all if None, as batches (B, C, H, W) in [-1, 1]."""
    for part in (torch.arange(len(store.samples)) if rows is None else rows).split(_BATCH):
        yield to_float(store.samples[part])
