"""A caption or a class and a low-resolution image at once, as conditional super-resolution takes them."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from genbench.conditions.base import Condition, Vector, check_count
from genbench.conditions.captions import Captions
from genbench.conditions.packing import Packing
from genbench.conditions.source_images import SourceImages
from genbench.conditions.stored import from_facts, to_facts
from genbench.images import to_uint8


class Joint(Condition):
    """Rows are both in one tensor, float32 (N, K + C * H * W): what the image shows, then its values.

    See `Packing`. Rows of square images of another size are valid, too, where a method trains on crops.

    Args:
        shown: what the image shows, such as captions or classes.
        shape: (C, H, W) of the low-resolution image, in [-1, 1].

    Raises:
        ValueError: the shape is none of an image.
    """

    key = "prompt"

    def __init__(self, shown: Condition, shape: Sequence[int]) -> None:
        self.shown = shown
        self.images = SourceImages(shape)
        self._packing = Packing(shown)

    @property
    def form(self) -> Vector:
        """The packed row; a method splits it before a network sees it."""
        channels, height, width = self.images.shape
        return Vector(self._packing.length + channels * height * width)

    def pack(self, shown: Tensor, images: Tensor) -> Tensor:
        """Return rows of what images show, (N, ...), and of the images (N, C, H, W)."""
        return self._packing.pack(shown, images)

    def split(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is shown, (N, ...) in its own dtype, and the images (N, C, H, W) of rows."""
        shown, values = self._packing.split(rows)
        channels, height, width = self.images.shape
        if values.shape[1] != channels * height * width:
            height = width = round((values.shape[1] / channels) ** 0.5)
        return shown, values.reshape(-1, channels, height, width)

    def without(self, rows: Tensor) -> Tensor:
        """Return rows that do not say what is shown, with the same images and whatever follows them."""
        return self._packing.pack(self._packing.null(len(rows)), self._packing.split(rows)[1])

    def check(self, rows: Tensor, count: int) -> Tensor:
        """Return float32 rows of tokens and of images."""
        check_count(rows, count, "conditions with their images")
        if rows.ndim != 2 or rows.shape[1] != self.form.length or rows.dtype != torch.float32:
            raise ValueError(
                f"conditions with their images are float32 (N, {self.form.length}), not {rows.dtype} of shape "
                f"{tuple(rows.shape)}"
            )
        if not rows.isfinite().all():
            raise ValueError("conditions with their images hold NaN or infinite values")
        shown, images = self.split(rows)
        self.shown.check(shown, count)
        self.images.check(images, count)
        return rows

    def null(self, count: int) -> Tensor:
        """Return rows that say nothing, with a grey image."""
        return self.pack(self.shown.null(count), self.images.null(count))

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
        """Return what is shown."""
        return self.shown.describe(self.split(rows)[0])

    def picture(self, rows: Tensor) -> Tensor:
        """Return the low-resolution images."""
        return to_uint8(self.split(rows)[1])

    def to_dict(self) -> dict[str, Any]:
        """Return what is shown, and the shape."""
        return {"shown": to_facts(self.shown), "shape": list(self.images.shape)}

    @classmethod
    def from_dict(cls, arguments: Mapping[str, Any]) -> Self:
        """Return the condition of these arguments, which a file may hold.

        Raises:
            ValueError: they are not of the right kinds, or no such condition has them.
        """
        rest = dict(arguments)
        if "captions" in rest:
            # Runs of before there was anything else.
            own = rest.pop("captions")
            if not isinstance(own, dict):
                raise ValueError("captions= of a caption with an image is no dictionary")
            return super().from_dict({**rest, "shown": Captions.from_dict(own)})
        return super().from_dict({**rest, "shown": from_facts(rest.get("shown"))})
