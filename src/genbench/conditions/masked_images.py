"""Images of which a part is hidden, which a method fills in."""

from collections.abc import Sequence
from typing import Any, Literal
from zlib import crc32

import torch
from torch import Tensor

from genbench.conditions.base import Channels, Condition, check_count
from genbench.images import to_float, to_uint8
from genbench.random_masks import random_masks
from genbench.randomness import make_generator

MaskKind = Literal["random", "center"]


class MaskedImages(Condition):
    """Rows are images and their masks, (N, C + 1, H, W): the last channel says which pixels are known.

    As a method is given them they are float32, the image in [-1, 1] and 0 where it is hidden, the mask 1 where it is
    known and 0 where it is hidden; as they are stored they are uint8.

    Args:
        shape: (C, H, W) of the images, C 1 or 3.

    Raises:
        ValueError: the shape is none of an image.
    """

    key = "condition"

    def __init__(self, shape: Sequence[int]) -> None:
        if len(shape) != 3 or shape[0] not in (1, 3) or min(shape) < 1:
            raise ValueError(f"masked images have a shape (C, H, W) of 1 or 3 channels, not {tuple(shape)}")
        channels, height, width = shape
        self.shape = (channels, height, width)

    @property
    def form(self) -> Channels:
        """The image and the mask."""
        channels, height, width = self.shape
        return Channels((channels + 1, height, width))

    def pack(self, images: Tensor, mask: Tensor) -> Tensor:
        """Return rows of images (N, C, H, W) and of masks (N, 1, H, W)."""
        return torch.cat([images * mask, mask], dim=1)

    def split(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images (N, C, H, W), 0 where they are hidden, and the masks (N, 1, H, W) of rows."""
        return rows[:, :-1], rows[:, -1:]

    def check(self, rows: Tensor, count: int) -> Tensor:
        """Return float32 rows whose masks are of 0 and 1."""
        check_count(rows, count, "masked images")
        if not rows.is_floating_point() or tuple(rows.shape[1:]) != self.form.shape:
            raise ValueError(
                f"masked images are float32 of shape {self.form.shape}, not {rows.dtype} of shape "
                f"{tuple(rows.shape[1:])}"
            )
        _, mask = self.split(rows)
        if not ((mask == 0) | (mask == 1)).all():
            raise ValueError("the masks of masked images are 0 or 1")
        return rows

    def null(self, count: int) -> Tensor:
        """Return images of which nothing is known."""
        return torch.zeros(count, *self.form.shape)

    def parse(self, text: str) -> Tensor:
        """Refuse: one's own images are filled in by another verb.

        Raises:
            ValueError: always.
        """
        raise ValueError("images of one's own are filled in by: edit editor=inpaint run=FOLDER images=DIR mask=center")

    def describe(self, rows: Tensor) -> list[str]:
        """Return nothing: what is known is shown."""
        return [""] * len(rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the shape."""
        return {"shape": list(self.shape)}

    def load(self, rows: Tensor) -> Tensor:
        """Return stored rows as a method is given them."""
        return self.pack(to_float(rows[:, :-1]), (rows[:, -1:] > 0).float())

    def store(self, rows: Tensor) -> Tensor:
        """Return rows as they are stored."""
        images, mask = self.split(rows)
        return torch.cat([to_uint8(images), (255 * mask).to(torch.uint8)], dim=1)

    def picture(self, rows: Tensor) -> Tensor:
        """Return the images, grey where they are hidden."""
        return rows[:, :-1]


def own_masks(images: Tensor, kind: MaskKind, margin: int = 0) -> Tensor:
    """Return the mask (B, 1, H, W) of each image (B, C, H, W), the same for the same image, 0 where it is hidden.

    Args:
        images: in [-1, 1].
        kind: "random", drawn by a generator that is seeded with the image's pixels; or "center".
        margin: of the latter, see `center_mask`.
    """
    height, width = images.shape[2:]
    if kind == "center":
        return center_mask(height, width, margin).to(images).expand(len(images), 1, -1, -1)
    masks = [
        random_masks(1, height, width, all_hidden=0.0, generator=make_generator("data", crc32(each.tobytes())))
        for each in to_uint8(images).cpu().numpy()
    ]
    return torch.cat(masks).to(images)


def center_mask(height: int, width: int, margin: int = 0) -> Tensor:
    """Return the mask (H, W), which hides the middle half of the image along both sides, less a margin.

    Args:
        height: of the image in pixels.
        width: of the image in pixels.
        margin: pixels of the hidden half, at each of its edges, that are known.
    """
    mask = torch.ones(height, width)
    rows, columns = (slice(side // 4 + margin, side - side // 4 - margin) for side in (height, width))
    mask[rows, columns] = 0
    return mask
