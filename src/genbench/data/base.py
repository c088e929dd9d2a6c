"""What every data set answers: the images of its splits, in a fixed order, and batches of them."""

import hashlib
import re
from abc import abstractmethod
from typing import Any, Literal

import torch
from lightning import LightningDataModule

from genbench.data.augmentation import Augmentation
from genbench.data.contents import digest
from genbench.data.loader import BatchLoader
from genbench.data.shuffling import Shuffle
from genbench.data.store import ImageStore
from genbench.errors import UserError, near

Split = Literal["train", "val", "test"]

_DIGITS = 16
"""Hexadecimal digits that are kept of a hash: two of a billion data sets are alike with a chance of 3 in 100."""


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
        self._description: dict[str, Any] | None = None

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

    @property
    def class_names(self) -> list[str] | None:
        """The names of the classes by their numbers; None where the condition names none."""
        return None if self.num_classes is None else [str(number) for number in range(self.num_classes)]

    def class_number(self, label: int | str) -> int:
        """Return the number of a class that is named by its number or by its name; whole numbers are always numbers.

        Raises:
            UserError: there is no such class.
        """
        names = self.class_names
        if names is None:
            raise UserError(f"label={label}: {self.name} has no classes")
        text = str(label)
        if re.fullmatch(r"[+-]?[0-9]+", text):
            if 0 <= int(text) < len(names):
                return int(text)
            hint = f"; the class named {text} is label={names.index(text)}" if text in names else ""
            raise UserError(f"label={text}: {self.name} has classes 0 to {len(names) - 1}{hint}")
        if text not in names:
            raise UserError(f"label={text}: {self.name} has no class of this name{near(text, names)}")
        return names.index(text)

    def captions(self, conditions: torch.Tensor | None) -> list[str] | None:
        """Return the number and the name of each row that is a class, (N,); None for any other conditions."""
        names = self.class_names
        if names is None or conditions is None or conditions.ndim != 1:
            return None
        numbers = conditions.tolist()
        return [names[number] if names[number] == str(number) else f"{number}: {names[number]}" for number in numbers]

    def recall(self, described: dict[str, Any]) -> None:
        """Take what a run remembers of its data, from `describe`, in place of what would be read from files."""

    def number_as(self, described: dict[str, Any]) -> None:
        """Number the classes as a run did that earlier versions may have begun."""

    def undivided(self) -> str:
        """Have "train" hold all images that a reference for others' samples should have, and return these in words.

        What the data's makers held out stays held out.
        """
        return "the training images as the data set's makers divided them"

    def describe(self) -> dict[str, Any]:
        """Return what the images are, for the run's manifest: the same for the same content, wherever it lies.

        `sha256` tells all that a run sees of the data, which is everything but the validation images, from any other;
        `parts` has the images of each part, of each of its classes, and a hash of its own.

        Raises:
            UserError: a file is missing or is not what it should be.
        """
        if self._description is None:
            parts, classes = self.describe_parts(), self.class_names
            seen = digest([*((part, facts["sha256"]) for part, facts in parts.items()), classes])[:_DIGITS]
            self._description = {
                "name": self.name,
                "image_shape": list(self.image_shape),
                "sha256": seen,
                "parts": parts,
                **({} if classes is None else {"classes": classes}),
            }
        return self._description

    def describe_parts(self) -> dict[str, dict[str, Any]]:
        """Return the facts of each part that a run sees; what is small is read for it, and fetched if need be."""
        self.prepare_data()
        parts: dict[str, dict[str, Any]] = {}
        for split in self.splits:
            if split != "val":
                store = self.store(split)
                tensors = [one[:] for one in (store.images, store.conditions) if one is not None]
                parts[split] = part_facts(len(store), [_hash(tensor) for tensor in tensors], self._labels(tensors))
        return parts

    def _labels(self, tensors: list[torch.Tensor]) -> list[int] | None:
        return None if self.num_classes is None else tensors[1].bincount(minlength=self.num_classes).tolist()

    def identity(self, split: Split) -> dict[str, Any]:
        """Return what tells the images of a split from all others; what is small is told by its pixels."""
        return {"image_shape": list(self.image_shape), "sha256": _hash(self.store(split).images[:])[:_DIGITS]}

    def store(self, split: Split) -> ImageStore:
        """Return a split, which is read once.

        Raises:
            UserError: there is no such split, or it can't be read.
        """
        if split not in self._stores:
            if split not in self.splits:
                raise UserError(f"{self.name} has no {split} split, only {', '.join(self.splits)}")
            self._stores[split] = self._checked(self.load(split), split)
        return self._stores[split]

    def _checked(self, store: ImageStore, split: Split) -> ImageStore:
        """Return a store whose images have the shapes that the data set says: networks are built for these."""
        sources = store.conditions if self.source_shape is not None else None
        for what, images, shape in (
            ("images", store.images, self.image_shape),
            ("source images", sources, self.source_shape),
        ):
            if images is not None and tuple(images.shape[1:]) != tuple(shape or ()):
                raise UserError(
                    f"the {what} of {self.name} {split} are {tuple(images.shape[1:])}, and the data set says "
                    f"{tuple(shape or ())} (channels, height, width)"
                )
        return store

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


def part_facts(
    images: int | None, content: list[Any], by_class: list[int] | None = None, origin: str | None = None
) -> dict[str, Any]:
    """Return what `ImageData.describe` says of a part.

    Args:
        images: how many; None where that is not known before they are unpacked.
        content: what tells them from others.
        by_class: how many of each class; None without classes.
        origin: where they come from, in words, if there is something to say.
    """
    facts = {"images": images, "by_class": by_class, "from": origin, "sha256": digest(content)[:_DIGITS]}
    return {name: value for name, value in facts.items() if value is not None}


def _hash(tensor: torch.Tensor) -> str:
    return hashlib.sha256(tensor.contiguous().numpy().data).hexdigest()
