"""Pictures of scenes: grey digits are cropped to their ink, scaled, coloured, and laid on a background."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

_INK = 51
"""The level, of 255, from which a pixel of a digit belongs to its bounding box."""

_PIXELS = 2**22
"""Pixels that are painted at a time."""


class Placed(NamedTuple):
    """Digits, one of each of N scenes, or of some of them.

    Attributes:
        scene: of each digit, its scene, (M,).
        glyph: its shape, float32 in [0, 1], (M, s, s).
        top: the row of the glyph's first pixel, (M,).
        left: its column, (M,).
        colour: RGB from 0 to 255, (M, 3).
    """

    scene: Tensor
    glyph: Tensor
    top: Tensor
    left: Tensor
    colour: Tensor


def glyphs(images: Tensor, side: int) -> Tensor:
    """Return digits cropped to their ink and scaled to a square, in whose middle they are.

    Args:
        images: uint8 digits (M, h, w), white on black.
        side: pixels of the square, which the longer side of a digit fills.

    Returns:
        Shapes (M, side, side), float32 in [0, 1], the brightest pixel of each 1.
    """
    tops, bottoms = _extent(images.amax(2) >= _INK)
    lefts, rights = _extent(images.amax(1) >= _INK)
    found = torch.zeros(len(images), side, side)
    boxes = torch.stack([tops, bottoms, lefts, rights], 1)
    # Digits with a box in common are scaled together.
    each, which = boxes.unique(dim=0, return_inverse=True)
    for number, (top, bottom, left, right) in enumerate(each.tolist()):
        rows = (which == number).nonzero()[:, 0]
        crop = images[rows, top:bottom, left:right].float().unsqueeze(1) / 255
        longer = max(crop.shape[2:])
        height, width = (max(1, round(side * length / longer)) for length in crop.shape[2:])
        scaled = interpolate(crop, (height, width), mode="bicubic", antialias=True)[:, 0].clamp_min(0)
        above, before = (side - height) // 2, (side - width) // 2
        scaled = pad(scaled, (before, side - width - before, above, side - height - above))
        found[rows] = (scaled / scaled.amax((1, 2), keepdim=True)).clamp_max(1)
    return found


def paint(ground: Tensor, size: int, layers: list[Placed]) -> Tensor:
    """Return the pictures, uint8 (N, 3, size, size), of digits that do not overlap.

    A pixel that a digit covers in part, as at its edges, is between the digit's colour and the background's.

    Args:
        ground: colours of the backgrounds, RGB from 0 to 255, (N, 3).
        size: pixels of a side.
        layers: the digits.
    """
    pictures = torch.empty(len(ground), 3, size, size, dtype=torch.uint8)
    for first, last in _parts(len(ground), max(1, _PIXELS // (3 * size**2))):
        part = ground[first:last].float()[:, :, None, None].expand(-1, -1, size, size).clone()
        for layer in layers:
            inside = ((layer.scene >= first) & (layer.scene < last)).nonzero()[:, 0]
            scene, glyph, top, left, colour = (value[inside] for value in layer)
            scene, along = scene - first, torch.arange(glyph.shape[-1])
            rows, columns = (top[:, None] + along)[:, :, None], (left[:, None] + along)[:, None, :]
            place = (scene[:, None, None], slice(None), rows, columns)
            ink, below = glyph[..., None], part[place]
            part[place] = below + ink * (colour[:, None, None].float() - below)
        pictures[first:last] = part.round().to(torch.uint8)
    return pictures


def _extent(inked: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first place (M,) that is true and the one after the last, of (M, L)."""
    marks = inked.to(torch.uint8)
    return marks.argmax(1), inked.shape[1] - marks.flip(1).argmax(1)


def _parts(count: int, most: int) -> Iterator[tuple[int, int]]:
    for first in range(0, count, most):
        yield first, min(first + most, count)
