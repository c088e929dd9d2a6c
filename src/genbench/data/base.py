"""What every data set answers: the images of its splits, in a fixed order, and batches of them."""

import hashlib
from abc import abstractmethod
from typing import Any, Literal

from lightning import LightningDataModule

from genbench.data.augmentation import Augmentation
from genbench.data.loader import BatchLoader
from genbench.data.shuffling import Shuffle
from genbench.data.store import ImageStore
from genbench.errors import UserError

Split = Literal["train", "val", "test"]


class ImageData(LightningDataModule):
    """A data set whose splits are `ImageStore`s.

    A data set's own file says `image_shape`, `num_classes` and how to `load` a split.

    Args:
        batch_size: images of a batch over all processes; at least 1.
        seed: seed of the training order.
        flip: whether half of the training images are mirrored from left to right.
        jitter: pixels by which training images are enlarged before they are cut back at a random place.
        shuffle: how the training images are shuffled, see `shuffling`.

    Raises:
        UserError: an argument is out of range.
    """

    image_shape: tuple[int, int, int]
    """(C, H, W) of an image."""

    num_classes: int | None = None
    """How many classes the condition names; None where it names none."""

    source_shape: tuple[int, int, int] | None = None
    """(C, H, W) of the source images that the condition shows; None where it shows none."""

    name: str
    """The data set's name in scores and tables."""

    def __init__(
        self, batch_size: int, seed: int, flip: bool = False, shuffle: Shuffle = "full", jitter: int = 0
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise UserError(f"data.batch_size must be at least 1, not {batch_size}")
        self.batch_size = batch_size
        self.seed = seed
        self.augmentation = Augmentation(flip, jitter)
        self.shuffle = shuffle
        self._stores: dict[Split, ImageStore] = {}

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that there are; "train" is always among them."""
        return ("train", "test")

    @abstractmethod
    def load(self, split: Split) -> ImageStore:
        """Read a split.

        Raises:
            UserError: a file is missing or is not what it should be; the message names it and the remedy.
        """

    def describe(self) -> dict[str, Any]:
        """Return what the images are, for the run's manifest."""
        return {"name": self.name, "image_shape": list(self.image_shape)}

    def identity(self, split: Split) -> dict[str, Any]:
        """Return what tells the images of a split from all others; what is small is told by its pixels."""
        pixels = self.store(split).images[:].contiguous().numpy()
        return {"image_shape": list(self.image_shape), "sha256": hashlib.sha256(pixels.tobytes()).hexdigest()[:16]}

    def store(self, split: Split) -> ImageStore:
        """Return a split, which is read once.

        Raises:
            UserError: there is no such split, or it can't be read.
        """
        if split not in self._stores:
            if split not in self.splits:
                raise UserError(f"{self.name} has no {split} split, only {', '.join(self.splits)}")
            self._stores[split] = self.load(split)
        return self._stores[split]

    def train_dataloader(self) -> BatchLoader:
        """Return the training batches; under a trainer this process's share, from the step that it stands at."""
        place: dict[str, Any] = {}
        if self.trainer is not None:
            place = {
                "rank": self.trainer.global_rank,
                "world_size": self.trainer.world_size,
                "start_step": self.trainer.global_step,
                "device": self.trainer.strategy.root_device,
            }
        return BatchLoader(
            self.store("train"),
            self.batch_size,
            seed=self.seed,
            shuffle=self.shuffle,
            augmentation=self.augmentation,
            **place,
        )
