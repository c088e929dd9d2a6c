"""The order of an epoch, and what to read ahead for it.

`full` draws a uniform permutation, which suits data that fit in memory or are on a fast local disk. `blocks` suits a
network file system and data larger than memory: it reads runs of consecutive images in random order and shuffles them
within windows of some 16,000 images. Every image still appears exactly once per epoch. The cost: images that are
neighbours in the store are always in the same window, see docs/data.md for figures.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

Shuffle = Literal["full", "blocks"]

_BLOCK_BYTES = 2 << 20
_WINDOW_IMAGES = 16_384


@dataclass(frozen=True)
class Order:
    """The order of an epoch.

    Attributes:
        rows: indices of the images, (N,).
        block: images per block; 0 without blocks.
        window_images: images per window.
        windows: for each window the position in `rows` at which it begins, and the first image of each block.
    """

    rows: Tensor
    block: int = 0
    window_images: int = 0
    windows: list[tuple[int, Tensor]] = field(default_factory=list)


def shuffle(count: int, image_bytes: int, how: Shuffle, generator: torch.Generator) -> Order:
    """Return an order of `count` images."""
    if how == "full":
        return Order(torch.randperm(count, generator=generator))
    block = max(1, _BLOCK_BYTES // image_bytes)
    blocks_per_window = -(-_WINDOW_IMAGES // block)
    starts = torch.randperm(-(-count // block), generator=generator) * block
    parts, windows, position = [], [], 0
    for window in starts.split(blocks_per_window):
        rows = (window.unsqueeze(1) + torch.arange(block)).flatten()
        rows = rows[rows < count]
        parts.append(rows[torch.randperm(len(rows), generator=generator)])
        windows.append((position, window))
        position += len(rows)
    return Order(torch.cat(parts), block, blocks_per_window * block, windows)
