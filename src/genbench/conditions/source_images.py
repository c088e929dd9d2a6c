"""Source images, which a method translates, completes or enlarges."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from genbench.conditions.base import Channels, Condition, check_count
from genbench.images import to_float, to_uint8


class SourceImages(Condition):
    """Rows are images (N, C, H, W): uint8 as they are stored, float32 in [-1, 1] as a method is given them.

    Args:
        shape: (C, H, W), C 1 or 3.

    Raises:
        ValueError: the shape is none of an image.
    """

    key = "sources"

    def __init__(self, shape: Sequence[int]) -> None:
        if len(shape) != 3 or shape[0] not in (1, 3) or min(shape) < 1:
            raise ValueError(f"source images have a shape (C, H, W) of 1 or 3 channels, not {tuple(shape)}")
        channels, height, width = shape
        self.shape = (channels, height, width)

    @property
    def form(self) -> Channels:
        """The image."""
        return Channels(self.shape)

    def check(self, rows: Tensor, count: int) -> Tensor:
        """Return float32 images in [-1, 1]."""
        check_count(rows, count, "source images")
        if not rows.is_floating_point() or tuple(rows.shape[1:]) != self.shape:
            raise ValueError(
                f"source images are float32 of shape {self.shape}, not {rows.dtype} of shape {tuple(rows.shape[1:])}"
            )
        return rows

    def null(self, count: int) -> Tensor:
        """Return grey images."""
        return torch.zeros(count, *self.shape)

    def parse(self, text: str) -> Tensor:
        """Return the image of a picture's file, which must have the size."""
        channels, height, width = self.shape
        try:
            with Image.open(Path(text)) as picture:
                pixels = np.array(picture.convert("L" if channels == 1 else "RGB"))
        except (UnidentifiedImageError, OSError) as error:
            raise ValueError(f"{text} can't be read as a picture ({error})") from error
        image = torch.from_numpy(pixels).view(1, *pixels.shape[:2], channels).permute(0, 3, 1, 2)
        if tuple(image.shape[2:]) != (height, width):
            raise ValueError(f"{text} is {image.shape[3]} x {image.shape[2]}, and sources are {width} x {height}")
        return image

    def describe(self, rows: Tensor) -> list[str]:
        """Return nothing: the source is shown."""
        return [""] * len(rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the shape."""
        return {"shape": list(self.shape)}

    def load(self, rows: Tensor) -> Tensor:
        """Return uint8 images as float32."""
        return to_float(rows)

    def store(self, rows: Tensor) -> Tensor:
        """Return float32 images as uint8."""
        return to_uint8(rows)

    def picture(self, rows: Tensor) -> Tensor:
        """Return the sources."""
        return rows

    @property
    def sources(self) -> "SourceImages":
        """These."""
        return self

    def of_sources(self, images: Tensor, asked: Tensor | None = None) -> Tensor:
        """Return the images: they are the rows."""
        return images
