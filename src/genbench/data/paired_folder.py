"""Pairs in pix2pix's layout (Isola et al. 2017): folders train, val and test of images with A and B side by side.

Example:
    python -m genbench prepare data=paired_folder data.root=~/facades data.size=256 data.direction=BtoA
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from genbench.conditions.source_images import SourceImages
from genbench.data.base import Split
from genbench.data.folders import list_folders, list_images, one_folder_each
from genbench.data.pairs import paired_store
from genbench.data.preparation import Crop, Filter, Preparation, decode
from genbench.data.prepared import MissingDataError, PreparedData, Records
from genbench.data.sources import FolderSource
from genbench.data.store import SampleStore

Direction = Literal["AtoB", "BtoA"]


@dataclass(frozen=True)
class SideBySide:
    """Cut an image into its left half A and its right half B, and prepare each.

    Attributes:
        half: preparation of each half.
    """

    half: Preparation

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, 2C)."""
        height, width, channels = self.half.shape
        return height, width, 2 * channels

    def __call__(self, content: bytes) -> np.ndarray:
        """Return the pixels of A and B concatenated along the channels, uint8 (H, W, 2C).

        Raises:
            ValueError, OSError: it can't be read, or its width is odd.
        """
        image = decode(content, self.half.channels)
        width, height = image.size
        if width % 2:
            raise ValueError(f"it is {width} pixels wide, which is odd: A and B must be side by side")
        halves = (image.crop((left, 0, left + width // 2, height)) for left in (0, width // 2))
        return np.concatenate([self.half.fit(half) for half in halves], axis=2)


class PairedFolder(PreparedData):
    """Pairs of images, one of which is the condition (B, C, H, W) of the other.

    `root` has the folders `train` and `val` or `test`, or common variants such as `Train` and `valid`. Each half is
    resized without cropping, so its aspect ratio changes if it is not square, as in pix2pix.

    Args:
        direction: "AtoB" makes the left half the condition and the right half the image, "BtoA" the other way round.
        size: side in pixels.
        crop: of each half, see `Preparation`.
        filter: Pillow's filter.
        batch_size: images of a batch over all processes.
        settings: those of `PreparedData`.

    Raises:
        UserError: an argument is out of range.
    """

    name = "paired_folder"

    def __init__(
        self,
        direction: Direction = "AtoB",
        *,
        size: int = 256,
        crop: Crop = "stretch",
        filter: Filter = "bicubic",
        batch_size: int = 1,
        **settings: Any,
    ) -> None:
        super().__init__(size=size, crop=crop, filter=filter, batch_size=batch_size, **settings)
        self.direction = direction
        self.condition = SourceImages(self.medium.shape)

    @property
    def pixels(self) -> SideBySide:
        """The preparation of a pair."""
        return SideBySide(self.preparation)

    def load(self, split: Split) -> SampleStore:
        """Return the pairs of a split."""
        pairs, _ = self.open(split)
        return paired_store(pairs, target_first=self.direction == "BtoA")

    def records(self, part: str) -> Records:
        """Find the pairs of a split.

        Raises:
            MissingDataError: its folder does not exist or has no image.
        """
        # Some of pix2pix's data sets have only val, some only test: either is the test split then.
        folder = self._folders.get(part)
        names = list_images(self.root / folder)[0] if folder else []
        if not names:
            raise MissingDataError(
                f"data.root={self.root} has no folder {folder or part} with images: pix2pix's layout is train, val and "
                "test, each image with A on its left and B on its right half"
            )
        return Records(FolderSource(self.root / str(folder), names))

    def where(self, part: str) -> str | None:
        """Return the folder of a split."""
        return f"{self._folders[part]}/" if part in self._folders else None

    def identity(self, split: Split) -> dict[str, Any]:
        """Return preparation, stores and direction, which decides which halves are the images."""
        return {**super().identity(split), "direction": self.direction}

    @cached_property
    def _folders(self) -> dict[str, str]:
        return one_folder_each(self.root, list_folders(self.root))

    def _identity(self, part: str) -> dict[str, Any]:
        return {**super()._identity(part), "layout": "A beside B"}
