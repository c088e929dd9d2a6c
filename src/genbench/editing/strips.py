"""Strips: several pictures of one edit, side by side."""

import torch
from torch import Tensor

from genbench.medium import Images, Medium


def strip_medium(medium: Medium, pictures: int) -> Images:
    """Return the medium of strips of so many pictures of a medium."""
    channels, height, width = medium.picture(medium.store(torch.zeros(1, *medium.shape))).shape[1:]
    return Images((channels, height, pictures * width))


def side_by_side(frames: Tensor) -> Tensor:
    """Return strips (B, C, H, T * W) of pictures (B, T, C, H, W), from left to right."""
    return frames.permute(0, 2, 3, 1, 4).flatten(3)
