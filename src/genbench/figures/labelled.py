"""A row for each edit: what it ends with, and pictures beside it with a label each."""

from collections.abc import Sequence

import torch
from torch import Tensor

from genbench.figures.captions import Shown, with_captions
from genbench.figures.grid import alike, make_grid

_WHITE = 255


def labelled_rows(
    pictures: Tensor, conditions: Shown | None, beside: Sequence[Tensor], labels: Sequence[Sequence[str]]
) -> Tensor:
    """Return one picture with a row for each edit; rows that have fewer pictures end in white.

    Args:
        pictures: what the edits end with, uint8 (N, C, H, W).
        conditions: N of them, whose texts stand below the first picture of a row, or None.
        beside: N stacks of pictures, uint8 (K, C, H, W).
        labels: N times K texts.
    """
    columns = 1 + max(map(len, beside))
    texts = (None if conditions is None else conditions.describe()) or [""] * len(pictures)
    rows, captions = [], []
    for picture, text, others, own in zip(pictures, texts, beside, labels, strict=True):
        row = torch.cat(alike(picture.unsqueeze(0), others))
        blank = torch.full((columns - len(row), *row.shape[1:]), _WHITE, dtype=torch.uint8)
        rows.append(torch.cat([row, blank]))
        captions += [text, *own, *[""] * len(blank)]
    return make_grid(with_captions(torch.cat(rows), captions), columns)
