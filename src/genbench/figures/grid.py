"""A grid of images as one picture."""

import math

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from genbench.figures.layout import GREY, MARGIN, enlargement


def make_grid(images: Tensor, columns: int | None = None) -> Tensor:
    """Arrange images in rows; small ones are enlarged by an integer factor, so that their pixels are visible.

    Args:
        images: uint8 (N, C, H, W), C 1 or 3, N at least 1.
        columns: images per row; by default about as many as rows.

    Returns:
        uint8 (C, rows * side + margins, columns * side + margins).
    """
    factor = enlargement(*images.shape[-2:])
    images = images.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    count, channels, height, width = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    size = (rows * (height + MARGIN) + MARGIN, columns * (width + MARGIN) + MARGIN)
    grid = torch.full((channels, *size), GREY, dtype=torch.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        top, left = MARGIN + row * (height + MARGIN), MARGIN + column * (width + MARGIN)
        grid[:, top : top + height, left : left + width] = image
    return grid


def place_beside(*parts: Tensor) -> Tensor:
    """Put images side by side, such as a source and its translation.

    Grey images become RGB if others are colour, and smaller ones are enlarged to the largest height and width.

    Args:
        parts: uint8 (N, C, H, W) each, C 1 or 3.

    Returns:
        uint8 (N, C, largest H, largest W * number of parts).
    """
    return torch.cat(alike(*parts), dim=3)


def alike(*parts: Tensor) -> list[Tensor]:
    """Return images of one shape, uint8 (N, C, largest H, largest W) each, from such as `place_beside` takes."""
    channels, *size = (max(part.shape[axis] for part in parts) for axis in (1, 2, 3))
    # Nearest neighbour, without smoothing.
    enlarged = [part if list(part.shape[2:]) == size else interpolate(part, size, mode="nearest") for part in parts]
    return [part.expand(-1, channels, -1, -1) for part in enlarged]
