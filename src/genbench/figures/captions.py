"""Captions under the images of a grid."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from genbench.figures.grid import place_beside
from genbench.figures.layout import enlargement

_STRIP = 14
"""Height of a line of text in pixels."""

_LINES = 8
"""More would take more room than a small picture does."""

_GROUND, _INK = 255, 0

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


class Shown(Protocol):
    """What samples were asked to show, as it is shown itself; `conditions.base.Conditions` is such."""

    def describe(self) -> list[str] | None:
        """Return a text for each."""
        ...

    def picture(self) -> Tensor | None:
        """Return a picture for each, uint8 (N, C, H, W)."""
        ...

    def __getitem__(self, rows: slice) -> "Shown":
        """Return those of some rows."""
        ...


class Texts:
    """Texts alone.

    Args:
        texts: one for each sample.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = list(texts)

    def describe(self) -> list[str]:
        """Return the texts."""
        return self._texts

    def picture(self) -> None:
        """Return that there are no pictures."""

    def __getitem__(self, rows: slice) -> "Texts":
        """Return those of some rows."""
        return Texts(self._texts[rows])


def under_conditions(pictures: Tensor, conditions: Shown | None) -> Tensor:
    """Return pictures of samples with their conditions: a source image on the left, a text below.

    Args:
        pictures: uint8 (N, C, H, W).
        conditions: N of them, or None.
    """
    if conditions is None:
        return pictures
    if (sources := conditions.picture()) is not None:
        pictures = place_beside(sources, pictures)
    texts = conditions.describe()
    return pictures if texts is None else with_captions(pictures, texts)


def with_captions(images: Tensor, captions: Sequence[str]) -> Tensor:
    """Return images, enlarged as in a grid, each with its caption below; dots end one that does not fit.

    Args:
        images: uint8 (N, C, H, W), C 1 or 3.
        captions: N of them.

    Returns:
        uint8 (N, C, H * factor + 14 * lines, W * factor), which a grid does not enlarge further.
    """
    factor = enlargement(*images.shape[-2:])
    images = images.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    count, channels, _, width = images.shape
    font = ImageFont.load_default()
    lines = {text: _wrapped(text, font, width) for text in set(captions)}
    height = _STRIP * max(map(len, lines.values()))
    strips = {text: _strip(lines[text], font, height, width) for text in lines}
    below = torch.stack([strips[text] for text in captions]).unsqueeze(1).expand(count, channels, -1, -1)
    return torch.cat([images, below.to(images.device)], dim=2)


def _wrapped(text: str, font: Font, width: int) -> list[str]:
    """Return the lines of a text; the last one is truncated if necessary."""
    if isinstance(font, ImageFont.ImageFont):
        # Pillow without FreeType has only letters of Western languages.
        text = text.encode("latin-1", "replace").decode("latin-1")
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) > width and lines[-1] and len(lines) < _LINES:
            lines.append(word)
        else:
            lines[-1] = longer
    return [_cut(line, font, width) for line in lines]


def _cut(line: str, font: Font, width: int) -> str:
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(f"{line}...") > width:
        line = line[:-1]
    return f"{line}..."


def _strip(lines: list[str], font: Font, height: int, width: int) -> Tensor:
    """Return lines of text, uint8 (height, width)."""
    strip = Image.new("L", (width, height), _GROUND)
    draw = ImageDraw.Draw(strip)
    for index, line in enumerate(lines):
        anchor = "mm" if isinstance(font, ImageFont.FreeTypeFont) else None
        draw.text((width / 2, (index + 0.5) * _STRIP), line, _INK, font, anchor=anchor)
    return torch.from_numpy(np.array(strip))
