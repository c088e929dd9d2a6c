"""Zero-shot predictions as the paper shows them: each image beside its most likely labels as bars."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import interpolate

_SIDE = 128
"""Height and width of a picture in pixels."""

_BARS, _ROW = 260, 24
"""Width of the bars, and height of each with its label."""

_GROUND, _INK, _BAR, _RIGHT = (255, 255, 255), (0, 0, 0), (190, 200, 225), (150, 205, 150)

LARGEST = 5
"""Labels beside an image."""


def bars_beside(
    pictures: Sequence[Tensor], labels: Sequence[str], probabilities: Tensor, truth: Sequence[int] | None = None
) -> Tensor:
    """Return each picture with its five most likely labels, for a grid.

    Args:
        pictures: N uint8 images (C, H, W), C 1 or 3, of any size.
        labels: K of them.
        probabilities: of the labels, (N, K).
        truth: index of the right label of each, whose bar is green; None if unknown.

    Returns:
        uint8 (N, 3, 128, 388).
    """
    rights: Sequence[int | None] = [None] * len(pictures) if truth is None else truth
    shown = [
        torch.cat([_fitted(picture), _bars(labels, own, right)], dim=2)
        for picture, own, right in zip(pictures, probabilities, rights, strict=True)
    ]
    return torch.stack(shown)


def _fitted(picture: Tensor) -> Tensor:
    """Return a picture within a white square, small ones enlarged by a whole factor, so that pixels stay visible."""
    height, width = picture.shape[-2:]
    longest = max(height, width)
    if longest > _SIDE:
        size = [max(1, side * _SIDE // longest) for side in (height, width)]
        picture = interpolate(picture[None].float(), size, mode="bilinear", antialias=True)[0].round().byte()
    else:
        factor = _SIDE // longest
        picture = picture.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
    height, width = picture.shape[-2:]
    square = torch.full((3, _SIDE, _SIDE), 255, dtype=torch.uint8)
    top, left = (_SIDE - height) // 2, (_SIDE - width) // 2
    square[:, top : top + height, left : left + width] = picture
    return square


def _bars(labels: Sequence[str], probabilities: Tensor, right: int | None) -> Tensor:
    """Return the most likely labels of an image as bars, uint8 (3, 128, 260)."""
    canvas = Image.new("RGB", (_BARS, _SIDE), _GROUND)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default()
    values, places = probabilities.topk(min(LARGEST, len(labels)))
    for row, (value, place) in enumerate(zip(values.tolist(), places.tolist(), strict=True)):
        top = 4 + row * _ROW
        colour = _RIGHT if place == right else _BAR
        draw.rectangle((4, top, 4 + round(value * (_BARS - 8)), top + _ROW - 5), fill=colour)
        text = f"{value:6.1%}  {labels[place]}"
        if isinstance(font, ImageFont.ImageFont):
            # Pillow without FreeType has only letters of Western languages.
            text = text.encode("latin-1", "replace").decode("latin-1")
        draw.text((8, top + 3), text, _INK, font)
    return torch.from_numpy(np.array(canvas)).permute(2, 0, 1)
