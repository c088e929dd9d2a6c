"""Resizing stored images, once, when they are read."""

from typing import Literal

from torch import Tensor
from torch.nn.functional import interpolate

from genbench.images import to_float, to_uint8


def resize(images: Tensor, size: int, mode: Literal["bilinear", "bicubic"]) -> Tensor:
    """Resize uint8 images (N, C, H, W) to (N, C, size, size), antialiased, rounded to the nearest level."""
    if images.shape[-2:] == (size, size):
        return images
    return to_uint8(interpolate(to_float(images), (size, size), mode=mode, antialias=True))
