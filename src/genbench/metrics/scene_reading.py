"""What pictures of scenes show, read from their pixels: colours, digits, sizes, and how two digits lie.

Nothing is assumed of who made a picture: one of noise, without a digit or in other colours is read as far as it goes.
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import interpolate, pad

from genbench.metrics.extractor import Extractor
from genbench.text.scenes import COLOURS, SIZES, Scene, Thing

_NEAR = 80.0
"""The distance in RGB within which a pixel is of a colour; colours are at least 180 apart."""

_GROUND = 0.4
"""The least fraction of a picture that its background takes."""

_SPECK = 4 / 32**2
"""Spots of fewer pixels, as a fraction of the picture, are noise."""

_APART = 10 / 32
"""The least distance of the centres of two digits, as a fraction of the side."""

_STRONGEST = 0.1
"""The fraction of a digit's pixels, those furthest from the background's colour, that must be of its own colour alone,
as its edges are not."""

_PURE = 0.6
"""How much of those pixels is at least of the digit's colour, and not of the background's."""

_INPUT = 28
_SCALES = (22, 24)
"""Pixels of the digit classifier's input that the longer side of a digit takes: between MNIST's 20 and the full input
of scikit-learn's digits, both of which it was trained on. The logits are averaged."""

_BATCH = 512
_PALETTE = np.array(list(COLOURS.values()), dtype=np.float32)
_NAMES = list(COLOURS)


class _Box(NamedTuple):
    top: int
    bottom: int
    left: int
    right: int

    @property
    def centre(self) -> tuple[float, float]:
        return (self.top + self.bottom) / 2, (self.left + self.right) / 2

    @property
    def longer(self) -> int:
        return max(self.bottom - self.top, self.right - self.left)


class _Found(NamedTuple):
    """A digit before it is classified: its colour, its box, and its shape (h, w), white on black in [0, 1]."""

    colour: str | None
    box: _Box
    shape: np.ndarray


def read_scenes(images: Tensor, classifier: Extractor) -> list[Scene]:
    """Return what pictures show; of a picture without anything to be read a scene without digits.

    Args:
        images: uint8 (N, 3, S, S).
        classifier: of grey digits, whose logits are those of the ten digits.

    Returns:
        Scenes of no, one or two digits. None stands for a background or a digit's colour that is none of `COLOURS`.
        The relation is of the digit that comes first from left to right, or from top to bottom, to the other one.
    """
    grounds, found = [], []
    for image in images.permute(0, 2, 3, 1).cpu().numpy():
        ground, colour = _ground(image.astype(np.float32))
        grounds.append(ground)
        found.append([] if colour is None else _find(image.astype(np.float32), colour))
    digits = iter(_classify([thing.shape for things in found for thing in things], classifier))
    side = images.shape[-1]
    scenes = []
    for ground, things in zip(grounds, found, strict=True):
        read = tuple(Thing(next(digits), thing.colour, _size(thing.box, side)) for thing in things)
        scenes.append(Scene(read, _relation([thing.box for thing in things]), ground))
    return scenes


def _ground(image: np.ndarray) -> tuple[str | None, np.ndarray | None]:
    """Return the colour of the background of a picture (H, W, 3), by name and as it is on average."""
    near = np.linalg.norm(image[:, :, None] - _PALETTE, axis=3) < _NEAR
    counts = near.sum((0, 1))
    number = int(counts.argmax())
    if counts[number] < _GROUND * near[:, :, 0].size:
        return None, None
    return _NAMES[number], image[near[:, :, number]].mean(0)


def _find(image: np.ndarray, ground: np.ndarray) -> list[_Found]:
    """Return the digits of a picture (H, W, 3), from left to right or from top to bottom."""
    away = np.linalg.norm(image - ground, axis=2)
    inked = _without_specks(away > _NEAR)
    return [_outline(image, ground, away * inked, box) for box in _boxes(inked)]


def _without_specks(inked: np.ndarray) -> np.ndarray:
    spots, count = ndimage.label(inked, np.ones((3, 3)))
    sizes = ndimage.sum_labels(inked, spots, np.arange(count + 1))
    sizes[0] = 0
    kept: np.ndarray = (sizes >= _SPECK * inked.size)[spots]
    return kept


def _boxes(inked: np.ndarray) -> list[_Box]:
    """Return the bounding boxes of one digit or of two, which a line without ink separates."""
    if not inked.any():
        return []
    whole = _box(inked)
    pairs = []
    for axis in range(2):
        lines = np.atleast_1d(inked.any(1 - axis))
        first, last = (whole.top, whole.bottom) if axis == 0 else (whole.left, whole.right)
        for begin, end in _gaps(lines, first, last):
            parts = (inked[:begin], inked[end:]) if axis == 0 else (inked[:, :begin], inked[:, end:])
            shift = (end, 0) if axis == 0 else (0, end)
            one, other = _box(parts[0]), _box(parts[1], *shift)
            if other.centre[axis] - one.centre[axis] >= _APART * inked.shape[axis]:
                pairs.append((end - begin, one, other))
    # A digit may be broken too, though not as widely.
    return list(max(pairs, key=lambda pair: pair[0])[1:]) if pairs else [whole]


def _gaps(lines: np.ndarray, first: int, last: int) -> list[tuple[int, int]]:
    """Return the first place and the one after the last of each run without ink between two places."""
    edges = np.flatnonzero(np.diff(lines[first:last].astype(np.int8))) + first + 1
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _box(inked: np.ndarray, down: int = 0, across: int = 0) -> _Box:
    rows, columns = np.flatnonzero(inked.any(1)), np.flatnonzero(inked.any(0))
    return _Box(int(rows[0]) + down, int(rows[-1]) + 1 + down, int(columns[0]) + across, int(columns[-1]) + 1 + across)


def _outline(image: np.ndarray, ground: np.ndarray, away: np.ndarray, box: _Box) -> _Found:
    """Return the digit in a box of a picture: how much of each pixel is of its colour rather than the background's."""
    inside = (slice(box.top, box.bottom), slice(box.left, box.right))
    inked = away[inside] > 0
    strongest = inked & (away[inside] >= np.quantile(away[inside][inked], 1 - _STRONGEST))
    number, distance = _nearest_line(image[inside][inked] - ground, _PALETTE - ground)
    own = image[inside][strongest].mean(0)
    is_colour = distance < _NEAR / 2 and _amounts(own - ground, _PALETTE[number] - ground) >= _PURE
    line = (_PALETTE[number] if is_colour else own) - ground
    return _Found(_NAMES[number] if is_colour else None, box, _amounts(image[inside] - ground, line))


def _nearest_line(pixels: np.ndarray, lines: np.ndarray) -> tuple[int, float]:
    """Return which of the lines (K, 3) from the origin pixels (N, 3) lie nearest to, and how near on average."""
    distances = [np.linalg.norm(pixels - _amounts(pixels, line)[:, None] * line, axis=1).mean() for line in lines]
    number = int(np.argmin(distances))
    return number, float(distances[number])


def _amounts(pixels: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Return how far along a line pixels (..., 3) are, from 0 at its beginning to 1 at its end."""
    found: np.ndarray = (pixels @ line / max(float(line @ line), 1.0)).clip(0, 1)
    return found


def _size(box: _Box, side: int) -> str:
    small, large = SIZES.values()
    return "large" if box.longer > (small + large) / 2 * side else "small"


def _relation(boxes: list[_Box]) -> str | None:
    if len(boxes) < 2:
        return None
    down, across = (abs(one - other) for one, other in zip(boxes[0].centre, boxes[1].centre, strict=True))
    return "above" if down > across else "left of"


@torch.no_grad()
def _classify(shapes: list[np.ndarray], classifier: Extractor) -> list[int]:
    """Return the digit of each shape, in whatever size it is."""
    found: list[int] = []
    for first in range(0, len(shapes), _BATCH):
        part = shapes[first : first + _BATCH]
        logits = sum(classifier(torch.cat([_framed(shape, scale) for shape in part])).logits for scale in _SCALES)
        found += logits.argmax(1).tolist()
    return found


def _framed(shape: np.ndarray, scale: int) -> Tensor:
    """Return a shape as an input of the classifier, uint8 (1, 1, 28, 28): its centre of mass in the middle, as MNIST's.

    Args:
        shape: (h, w), white on black in [0, 1].
        scale: pixels of its longer side.
    """
    height, width = (max(1, round(scale * length / max(shape.shape))) for length in shape.shape)
    grey = interpolate(
        torch.from_numpy(shape).float()[None, None], (height, width), mode="bicubic", antialias=True
    ).clamp(0, 1)
    ink = grey[0, 0] + 1e-6
    above, before = (_space(ink.sum(1 - axis), axis_length) for axis, axis_length in enumerate((height, width)))
    grey = pad(grey, (before, _INPUT - width - before, above, _INPUT - height - above))
    return (grey * 255).round().to(torch.uint8)


def _space(ink: Tensor, length: int) -> int:
    """Return the empty lines before a shape of `length` lines whose centre of mass is to be the middle."""
    centre = float((ink * torch.arange(length)).sum() / ink.sum())
    return min(max(round((_INPUT - 1) / 2 - centre), 0), _INPUT - length)
