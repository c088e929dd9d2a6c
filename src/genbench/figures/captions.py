"""What is written under the images of a grid."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from genbench.conditions.base import Conditions
from genbench.figures.grid import place_beside
from genbench.figures.layout import enlargement

_STRIP = 14
"""Pixels in height of a line of text."""

_GROUND, _INK = 255, 0


def under_conditions(pictures: Tensor, conditions: Conditions | None) -> Tensor:
    """Return pictures of samples with what they were asked to show: a source on the left, a text below.

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
    """Return images, enlarged as a grid enlarges them, each with a line of text below; what is too long is cut.

    Args:
        images: uint8 (N, C, H, W), C 1 or 3.
        captions: N of them.

    Returns:
        uint8 (N, C, H * factor + 14, W * factor), which a grid shows as they are.
    """
    factor = enlargement(*images.shape[-2:])
    images = images.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    count, channels, _, width = images.shape
    strips = {text: _strip(text, width) for text in set(captions)}
    below = torch.stack([strips[text] for text in captions]).unsqueeze(1).expand(count, channels, -1, -1)
    return torch.cat([images, below.to(images.device)], dim=2)


def _strip(text: str, width: int) -> Tensor:
    """Return a line of text, uint8 (14, width)."""
    strip = Image.new("L", (width, _STRIP), _GROUND)
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default()
    if isinstance(font, ImageFont.ImageFont):
        # Pillow without FreeType has letters of Western languages alone.
        text = text.encode("latin-1", "replace").decode("latin-1")
    while text and draw.textlength(text, font) > width:
        text = text[:-1]
    draw.text(
        (width / 2, _STRIP / 2), text, _INK, font, anchor="mm" if isinstance(font, ImageFont.FreeTypeFont) else None
    )
    return torch.from_numpy(np.array(strip))
