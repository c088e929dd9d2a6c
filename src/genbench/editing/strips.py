"""Strips: several pictures of one edit, side by side."""

import torch
from torch import Tensor

from genbench.editing.base import EditResult, fraction_of_range
from genbench.medium import Images, Medium


def strip_medium(medium: Medium, pictures: int) -> Images:
    """Return the medium of strips of so many pictures of a medium."""
    channels, height, width = medium.picture(medium.store(torch.zeros(1, *medium.shape))).shape[1:]
    return Images((channels, height, pictures * width))


NEIGHBOUR_L1 = {
    "neighbour_l1": "mean absolute difference between neighbouring pictures, as a fraction of a pixel's range, in "
    "[0, 1]; one for each pair of neighbours"
}
"""The score of a strip, and what it is."""


def strip_result(frames: Tensor) -> EditResult:
    """Return strips of pictures uint8 (B, T, C, H, W), with the difference between neighbours."""
    differences = fraction_of_range(frames[:, 1:], frames[:, :-1]).flatten(2).mean(2)
    return EditResult(side_by_side(frames), frames, {"neighbour_l1": differences})


def side_by_side(frames: Tensor) -> Tensor:
    """Return strips (B, C, H, T * W) of pictures (B, T, C, H, W), from left to right."""
    return frames.permute(0, 2, 3, 1, 4).flatten(3)
