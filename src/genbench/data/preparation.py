"""From a file's bytes to pixels: decode, crop, resize, all by Pillow, so the result is bit-identical to Pillow's.

Papers prepare the same images in different ways under the same name; `docs/data.md` lists which paper crops how. So the
recipe is part of the store's manifest and of its key.
"""

import io
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from genbench.errors import UserError

Filter = Literal["box", "bilinear", "hamming", "bicubic", "lanczos"]
Crop = int | Literal["crop_then_resize", "resize_then_crop", "stretch"]


class Square(NamedTuple):
    """A square part of an image, in pixels."""

    left: int
    top: int
    side: int


_FILTERS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Those of `folders.IMAGE_ENDINGS`. Of others Pillow reduces some to 8 bits without a word, and some it gives to other
programs."""

_TIFF_BITS = 258
"""The tag BitsPerSample."""

_CROPS = ("crop_then_resize", "resize_then_crop", "stretch")


@dataclass(frozen=True)
class Preparation:
    """The preparation of an image to `size` x `size` pixels.

    Attributes:
        size: side in pixels.
        crop: "crop_then_resize" crops the largest centred square and resizes it; "resize_then_crop" resizes the short
            side to `size` and crops the centre; a number crops a centred square of that side and resizes it, a
            `Square` that square; "stretch" resizes the whole image, ignoring its aspect ratio.
        filter: Pillow's filter; all are scaled with the reduction, which is called antialiasing elsewhere.
        channels: 3 for RGB, 1 for grey.

    Raises:
        UserError: a value is out of range.
    """

    size: int
    crop: Crop | Square = "crop_then_resize"
    filter: Filter = "bilinear"
    channels: int = 3

    def __post_init__(self) -> None:
        """Check the values."""
        if self.size < 8:
            raise UserError(f"data.size must be at least 8 pixels, not {self.size}")
        if self.filter not in _FILTERS:
            raise UserError(f"data.filter must be one of {', '.join(_FILTERS)}, not {self.filter!r}")
        if not (isinstance(self.crop, Square) or self.crop in _CROPS or (type(self.crop) is int and self.crop > 0)):
            raise UserError(f"data.crop must be {', '.join(_CROPS)} or a positive number of pixels, not {self.crop!r}")
        if self.channels not in (1, 3):
            raise UserError(f"data.channels must be 1 (grey) or 3 (RGB), not {self.channels}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of a prepared image."""
        return self.size, self.size, self.channels

    def describe(self) -> dict[str, Any]:
        """Return all settings that determine the pixels, for manifests and keys."""
        crop = "{2} at ({0}, {1})".format(*self.crop) if isinstance(self.crop, Square) else self.crop
        return {"size": self.size, "crop": crop, "filter": self.filter, "channels": self.channels}

    def __call__(self, content: bytes) -> np.ndarray:
        """Return the pixels, uint8 (size, size, channels), of an encoded image.

        Raises:
            ValueError, OSError: the bytes are not a complete image.
        """
        return self.fit(decode(content, self.channels))

    def fit(self, image: Image.Image) -> np.ndarray:
        """Return the pixels of a decoded image.

        Raises:
            ValueError: the image is smaller than the crop.
        """
        if self.crop == "resize_then_crop":
            short = min(image.size)
            # The long side is rounded down, as in torchvision's Resize.
            width, height = (self.size if side == short else int(self.size * side / short) for side in image.size)
            image = _crop_centre(self._resize(image, (width, height)), self.size)
        elif self.crop == "stretch":
            image = self._resize(image, (self.size, self.size))
        elif isinstance(self.crop, Square):
            image = self._resize(_crop(image, self.crop), (self.size, self.size))
        else:
            side = min(image.size) if self.crop == "crop_then_resize" else int(self.crop)
            image = self._resize(_crop_centre(image, side), (self.size, self.size))
        return np.asarray(image).reshape(self.shape)

    def _resize(self, image: Image.Image, size: tuple[int, int]) -> Image.Image:
        return image if image.size == size else image.resize(size, _FILTERS[self.filter])


def decode(content: bytes, channels: int) -> Image.Image:
    """Return an encoded image, fully decoded; EXIF rotation is not applied.

    Args:
        content: the bytes.
        channels: 3 for RGB, 1 for grey, without transparency; 4 for RGB with it.

    Raises:
        ValueError, OSError: the bytes are not a complete image, or have more than 8 bits per channel.
    """
    if not content:
        raise ValueError("it is empty")
    try:
        opened = Image.open(io.BytesIO(content), formats=_FORMATS)
    except UnidentifiedImageError:
        raise ValueError(f"cannot identify it as an image of the formats {', '.join(_FORMATS)}") from None
    with opened as image:
        # Checked before decoding: Pillow would keep the upper 8 bits, or clip to white.
        if (depth := _bits(image, content)) > 8:
            raise ValueError(
                f"it has {depth} bits per channel, and only images of 8 bits per channel are read: convert it, with a "
                "range of your choice, so that no bits are lost silently"
            )
        return image.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels])


def _bits(image: Image.Image, content: bytes) -> int:
    """Return the bits per channel in the file, which may differ from Pillow's mode of the opened image."""
    if image.format == "PNG":
        # Signature, then the header's length, name, width, height and depth.
        return content[24]
    if image.format == "TIFF":
        bits = image.tag_v2.get(_TIFF_BITS, 1)  # type: ignore[attr-defined]
        return max(bits) if isinstance(bits, tuple) else int(bits)
    if image.format == "PPM" and image.mode != "F" and isinstance(arguments := _arguments(image), tuple):
        # The header gives the largest value of a channel.
        return int(arguments[1]).bit_length()
    if image.mode.startswith(("I", "F")):
        return 16 if image.mode.startswith("I;16") or (image.format, image.mode) == ("PPM", "I") else 32
    return 8


def _arguments(image: Image.Image) -> Any:
    """Return the arguments of Pillow's decoder of a file."""
    return image.tile[0][3]  # type: ignore[attr-defined]


def _crop_centre(image: Image.Image, side: int) -> Image.Image:
    width, height = image.size
    if min(width, height) < side:
        raise ValueError(f"it has {width} x {height} pixels, less than the crop of {side}")
    # Half pixels are rounded to even, as in torchvision's CenterCrop.
    return _crop(image, Square(round((width - side) / 2), round((height - side) / 2), side))


def _crop(image: Image.Image, square: Square) -> Image.Image:
    left, top, side = square
    width, height = image.size
    if width < left + side or height < top + side:
        raise ValueError(f"it has {width} x {height} pixels, and the crop ends at {left + side} x {top + side}")
    return image.crop((left, top, left + side, top + side))
