"""Pairs in pix2pix's layout (Isola et al. 2017): folders train, val and test of images with A and B side by side.

Example:
    python -m genbench prepare data=paired_folder data.root=~/facades data.size=256 data.direction=BtoA
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from genbench.data.base import Split
from genbench.data.folders import list_images
from genbench.data.pairs import paired_store
from genbench.data.preparation import Filter, Preparation, decode
from genbench.data.prepare import OnError
from genbench.data.prepared import MissingDataError, PreparedData, Records
from genbench.data.shuffling import Shuffle
from genbench.data.sources import FolderSource
from genbench.data.store import ImageStore

Direction = Literal["AtoB", "BtoA"]


@dataclass(frozen=True)
class SideBySide:
    """Cut an image into its left half A and its right half B, and prepare each.

    Attributes:
        half: how each half becomes square pixels.
    """

    half: Preparation

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, 2C)."""
        height, width, channels = self.half.shape
        return height, width, 2 * channels

    def __call__(self, content: bytes) -> np.ndarray:
        """Return the pixels of A and, behind them, those of B, uint8 (H, W, 2C).

        Raises:
            ValueError, OSError: it can't be read, or has no two halves.
        """
        image = decode(content, self.half.channels)
        width, height = image.size
        if width % 2:
            raise ValueError(f"it is {width} pixels wide, which does not halve: A and B must lie side by side")
        halves = (image.crop((left, 0, left + width // 2, height)) for left in (0, width // 2))
        return np.concatenate([self.half.fit(half) for half in halves], axis=2)


class PairedFolder(PreparedData):
    """Images with the image that each belongs to as its condition (B, C, H, W).

    `root` has the folders `train` and `val` or `test`. Each half is resized as a whole, so its shape changes if it is
    not square, as pix2pix has it.

    Args:
        root: folder of the folders.
        direction: "AtoB" makes the left half the condition and the right half the image, "BtoA" the other way round.
        prepared: folder of the prepared stores.
        size: side in pixels.
        filter: Pillow's filter.
        channels: 3 for RGB, 1 for grey.
        workers: processes that decode; as many as there are cores if None.
        on_error: "stop" or "skip".
        batch_size: images of a batch over all processes.
        seed: seed of the training order.
        flip: whether half of the training pairs are mirrored.
        shuffle: how the training pairs are shuffled.

    Raises:
        UserError: an argument is out of range.
    """

    name = "paired_folder"

    def __init__(
        self,
        root: str = "data",
        direction: Direction = "AtoB",
        prepared: str = "data/prepared",
        size: int = 256,
        filter: Filter = "bicubic",
        channels: int = 3,
        workers: int | None = None,
        on_error: OnError = "stop",
        batch_size: int = 1,
        seed: int = 0,
        flip: bool = False,
        shuffle: Shuffle = "full",
    ) -> None:
        super().__init__(
            root=root,
            prepared=prepared,
            preparation=Preparation(size, "stretch", filter, channels),
            workers=workers,
            on_error=on_error,
            batch_size=batch_size,
            seed=seed,
            flip=flip,
            shuffle=shuffle,
        )
        self.direction = direction

    @property
    def pixels(self) -> SideBySide:
        """What cuts the pairs."""
        return SideBySide(self.preparation)

    def load(self, split: Split) -> ImageStore:
        """Return the pairs of a split."""
        pairs, _ = self.open(split)
        return paired_store(pairs, target_first=self.direction == "BtoA")

    def records(self, part: str) -> Records:
        """Find the pairs of a split.

        Raises:
            MissingDataError: its folder is not there or holds no image.
        """
        # Some of pix2pix's data sets have only val beside train, some only test: either is the test split then.
        has_test = (self.root / "test").is_dir()
        folder = {"train": "train", "test": "test" if has_test else "val", "val": "val" if has_test else None}[part]
        names = list_images(self.root / folder)[0] if folder else []
        if not names:
            raise MissingDataError(
                f"data.root={self.root} has no folder {folder or part} with images: pix2pix's layout is train, val and "
                "test, each image with A on its left and B on its right half"
            )
        return Records(FolderSource(self.root / str(folder), names))

    def _identity(self, part: str) -> dict[str, Any]:
        return {**super()._identity(part), "layout": "A beside B"}
