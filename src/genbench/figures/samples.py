"""The picture of a set of samples: a grid, or a table of sources by what becomes of each."""

import itertools

import torch
from torch import Tensor

from genbench.conditions.base import Conditions
from genbench.figures.captions import under_conditions, with_captions
from genbench.figures.grid import alike, make_grid

_MOST = 16
"""Samples of one source in a row of a table; more are shown as those of any other set."""


def picture_of(pictures: Tensor, conditions: Conditions | None) -> Tensor:
    """Return pictures of samples with their conditions as one picture, uint8 (C, H, W).

    If each source image has several samples, one after the other, a row begins with the source, and the samples follow;
    else each sample is beside its source, if it has one.

    Args:
        pictures: uint8 (N, C, H, W).
        conditions: N of them, or None.
    """
    sources = None if conditions is None else conditions.picture()
    each = 1 if sources is None else _samples_of_each(sources)
    if each == 1 or conditions is None or sources is None:
        return make_grid(under_conditions(pictures, conditions))
    samples, shown = alike(pictures, sources)[:2]
    texts = conditions.describe() or [""] * len(samples)
    cells: list[Tensor] = []
    captions: list[str] = []
    for first in range(0, len(samples), each):
        cells += [shown[first : first + 1], samples[first : first + each]]
        captions += ["", *texts[first : first + each]]
    table = torch.cat(cells)
    return make_grid(with_captions(table, captions) if any(captions) else table, each + 1)


def _samples_of_each(sources: Tensor) -> int:
    """Return how many samples in a row each source image has, the last one possibly fewer; 1 if it differs."""
    changes = (sources[1:] != sources[:-1]).flatten(1).any(1).nonzero()[:, 0] + 1
    bounds = [0, *changes.tolist(), len(sources)]
    lengths = [after - before for before, after in itertools.pairwise(bounds)]
    is_table = set(lengths[:-1]) <= {lengths[0]} and lengths[-1] <= lengths[0] <= _MOST
    return lengths[0] if is_table else 1
