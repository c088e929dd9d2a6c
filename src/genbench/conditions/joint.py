"""A caption and a low-resolution image at once, as text-conditional super-resolution takes them."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from genbench.conditions.base import Condition, Vector, check_count
from genbench.conditions.captions import Captions
from genbench.conditions.source_images import SourceImages
from genbench.images import to_uint8


class Joint(Condition):
    """Rows are both in one tensor, float32 (N, L + C * H * W): the caption's tokens, then the values of the image.

    Tokens are exact in float32 up to 2^24. Rows of square images of another size are valid, too, where a method trains
    on crops.

    Args:
        captions: what the tokens are.
        shape: (C, H, W) of the low-resolution image, in [-1, 1].

    Raises:
        ValueError: the shape is none of an image.
    """

    key = "prompt"

    def __init__(self, captions: Captions, shape: Sequence[int]) -> None:
        self.captions = captions
        self.images = SourceImages(shape)

    @property
    def form(self) -> Vector:
        """The packed row; a method splits it before a network sees it."""
        channels, height, width = self.images.shape
        return Vector(self.captions.length + channels * height * width)

    def pack(self, tokens: Tensor, images: Tensor) -> Tensor:
        """Return rows of tokens (N, L) and images (N, C, H, W)."""
        return torch.cat([tokens.to(images.dtype), images.flatten(1)], dim=1)

    def split(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tokens, int64 (N, L), and the images (N, C, H, W) of rows."""
        tokens, values = rows[:, : self.captions.length], rows[:, self.captions.length :]
        channels, height, width = self.images.shape
        if values.shape[1] != channels * height * width:
            height = width = round((values.shape[1] / channels) ** 0.5)
        return tokens.long(), values.reshape(-1, channels, height, width)

    def without_caption(self, rows: Tensor) -> Tensor:
        """Return rows with the empty caption, and the same images."""
        empty = self.captions.null(1).to(rows)
        return torch.cat([empty.expand(len(rows), -1), rows[:, self.captions.length :]], dim=1)

    def check(self, rows: Tensor, count: int) -> Tensor:
        """Return float32 rows of tokens and of images."""
        check_count(rows, count, "captions with their images")
        if rows.ndim != 2 or rows.shape[1] != self.form.length or rows.dtype != torch.float32:
            raise ValueError(
                f"captions with their images are float32 (N, {self.form.length}), not {rows.dtype} of shape "
                f"{tuple(rows.shape)}"
            )
        if not rows.isfinite().all():
            raise ValueError("captions with their images hold NaN or infinite values")
        tokens, images = self.split(rows)
        self.captions.check(tokens, count)
        self.images.check(images, count)
        return rows

    def null(self, count: int) -> Tensor:
        """Return the empty caption with a grey image."""
        return self.pack(self.captions.null(count), self.images.null(count))

    def parse(self, text: str) -> Tensor:
        """Refuse: a text alone says nothing of the image.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "super-resolution takes a low-resolution image beside the prompt: leave it out to enlarge held-out images, "
            "or draw from a cascade (method=cascade)"
        )

    def describe(self, rows: Tensor) -> list[str]:
        """Return the captions."""
        return self.captions.describe(self.split(rows)[0])

    def picture(self, rows: Tensor) -> Tensor:
        """Return the low-resolution images."""
        return to_uint8(self.split(rows)[1])

    def to_dict(self) -> dict[str, Any]:
        """Return what the captions are made of, and the shape."""
        return {"captions": self.captions.to_dict(), "shape": list(self.images.shape)}

    @classmethod
    def from_dict(cls, arguments: Mapping[str, Any]) -> Self:
        """Return the condition of these arguments, which a file may hold.

        Raises:
            ValueError: they are not of the right kinds, or no such condition has them.
        """
        captions = arguments.get("captions")
        if not isinstance(captions, dict):
            raise ValueError("captions= of a caption with an image is no dictionary")
        return super().from_dict({**arguments, "captions": Captions.from_dict(captions)})
