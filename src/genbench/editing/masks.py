"""Masks: which part of images is known."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from genbench.errors import UserError

MASKS = ("center", "left", "right", "top", "bottom")
"""The parts that have a name."""

_GREY = 128


def read_mask(name: str, height: int, width: int) -> Tensor:
    """Return 1 where pixels are known and 0 where they are to be filled in, float32 (H, W).

    Args:
        name: which part is filled in: one of `MASKS`, or a picture's file, white where it is.
        height: of the images.
        width: of the images.

    Raises:
        UserError: there is no such part or picture, or the picture has another size or leaves nothing or all to do.
    """
    mask = _named(name, height, width) if name in MASKS else _drawn(name, height, width)
    if mask.all() or not mask.any():
        raise UserError(
            f"mask={name} must leave a part of {width} x {height} pixels and fill in another: a picture is white where "
            f"images are filled in and black elsewhere; all of it is {'dark' if mask.all() else 'light'}"
        )
    return mask


def _drawn(name: str, height: int, width: int) -> Tensor:
    path = Path(name)
    if not path.is_file():
        raise UserError(f"mask={name} must be one of {', '.join(MASKS)}, or a black and white picture's file")
    try:
        with Image.open(path) as picture:
            white = torch.from_numpy(np.array(picture.convert("L"))) >= _GREY
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise UserError(f"mask={name} can't be read as a picture ({error})") from error
    if tuple(white.shape) != (height, width):
        raise UserError(f"mask={name} is {white.shape[1]} x {white.shape[0]}, and the images are {width} x {height}")
    return (~white).float()


def hide(images: Tensor, mask: Tensor) -> Tensor:
    """Return images uint8 (N, C, H, W), grey where the mask (H, W) is 0."""
    return torch.where(mask.bool(), images, torch.full_like(images, _GREY))


def _named(name: str, height: int, width: int) -> Tensor:
    mask = torch.ones(height, width)
    rows, columns = {
        "center": (slice(height // 4, height - height // 4), slice(width // 4, width - width // 4)),
        "left": (slice(None), slice(width // 2)),
        "right": (slice(None), slice(width - width // 2, None)),
        "top": (slice(height // 2), slice(None)),
        "bottom": (slice(height - height // 2, None), slice(None)),
    }[name]
    mask[rows, columns] = 0
    return mask
