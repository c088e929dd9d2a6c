"""Film strips: what comes of each edit, step by step, in a row of its own."""

import torch
from torch import Tensor

from genbench.figures.captions import Shown, with_captions
from genbench.figures.grid import alike, make_grid

_MOST = 12
"""Pictures of a strip; of more, these are taken at equal distances."""


def film_strips(frames: Tensor, images: Tensor | None, conditions: Shown | None) -> Tensor:
    """Return one picture with a row for each edit: what it was given, then its pictures from the first to the last.

    Args:
        frames: uint8 (N, T, C, H, W).
        images: what was edited, uint8 (N, C, H, W), or None.
        conditions: N of them, or None; texts stand below the first picture of a row.
    """
    chosen = torch.linspace(0, frames.shape[1] - 1, min(_MOST, frames.shape[1])).round().long()
    columns = [frames[:, number] for number in chosen.tolist()]
    sources = None if conditions is None else conditions.picture()
    columns = alike(*(given for given in (sources, images) if given is not None), *columns)
    pictures = torch.stack(columns, dim=1).flatten(0, 1)
    texts = None if conditions is None else conditions.describe()
    if texts is not None:
        pictures = with_captions(pictures, [part for text in texts for part in (text, *[""] * (len(columns) - 1))])
    return make_grid(pictures, len(columns))
