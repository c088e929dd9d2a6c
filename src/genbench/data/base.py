"""What every data set answers: the samples of its splits, in a fixed order, and batches of them."""

import hashlib
from abc import abstractmethod
from typing import Any, Literal

import torch
from lightning import LightningDataModule

from genbench.conditions.base import Channels, Condition
from genbench.conditions.classes import Classes
from genbench.conditions.source_images import SourceImages
from genbench.data.augmentation import Augmentation
from genbench.data.contents import digest
from genbench.data.loader import BatchLoader
from genbench.data.shuffling import Shuffle
from genbench.data.store import SampleStore
from genbench.errors import UserError
from genbench.medium import Images, Medium

Split = Literal["train", "val", "test"]

_DIGITS = 16
"""Hexadecimal digits that are kept of a hash: two of a billion data sets are alike with a chance of 3 in 100."""


class DataSet(LightningDataModule):
    """A data set whose splits are `SampleStore`s.

    A data set's own file says `medium`, `condition` and how to `load` a split.

    Args:
        batch_size: images of a batch over all processes; at least 1.
        seed: seed of the training order.
        flip: whether half of the training images are mirrored from left to right.
        jitter: pixels by which training images are enlarged before they are cut back at a random place.
        shuffle: how the training images are shuffled, see `shuffling`.

    Raises:
        UserError: an argument is out of range.
    """

    medium: Medium
    """What a sample is."""

    condition: Condition | None = None
    """What the samples are labelled with; None where they are not."""

    facts: tuple[str, ...] = ("medium", "condition", "image_shape")
    """Attributes that a method is given if its class asks for them by name; a data set may add its own."""

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
        self._stores: dict[Split, SampleStore] = {}
        self._description: dict[str, Any] | None = None

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that there are; "train" is always among them."""
        return ("train", "test")

    @abstractmethod
    def load(self, split: Split) -> SampleStore:
        """Read a split.

        Raises:
            UserError: a file is missing or is not what it should be; the message names it and the remedy.
        """

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image.

        Raises:
            UserError: the samples are none.
        """
        if not isinstance(self.medium, Images):
            raise UserError(f"{self.name} has samples of shape {self.medium.shape}, and images are needed")
        channels, height, width = self.medium.shape
        return channels, height, width

    @property
    def class_names(self) -> list[str] | None:
        """The names of the classes by their numbers; None where the condition names none."""
        return self.condition.names if isinstance(self.condition, Classes) else None

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
                **self.medium.describe(),
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
                tensors = [one[:] for one in (store.samples, store.conditions) if one is not None]
                content: list[Any] = [_hash(tensor) for tensor in tensors]
                if not isinstance(self.condition, Classes | SourceImages | None):
                    # Tokens mean nothing without their vocabulary. (The names of classes are added in `describe`.)
                    content.append(self.condition.to_dict())
                parts[split] = part_facts(len(store), content, self._labels(tensors))
        return parts

    def _labels(self, tensors: list[torch.Tensor]) -> list[int] | None:
        return None if (names := self.class_names) is None else tensors[1].bincount(minlength=len(names)).tolist()

    def identity(self, split: Split) -> dict[str, Any]:
        """Return what tells the images of a split from all others; what is small is told by its pixels."""
        return {**self.medium.describe(), "sha256": _hash(self.store(split).samples[:])[:_DIGITS]}

    def store(self, split: Split) -> SampleStore:
        """Return a split, which is read once.

        Raises:
            UserError: there is no such split, or it can't be read.
        """
        if split not in self._stores:
            if split not in self.splits:
                raise UserError(f"{self.name} has no {split} split, only {', '.join(self.splits)}")
            self._stores[split] = self._checked(self.load(split), split)
        return self._stores[split]

    def _checked(self, store: SampleStore, split: Split) -> SampleStore:
        """Return a store whose samples have the shapes that the data set says: networks are built for these."""
        form = None if self.condition is None else self.condition.form
        sources = form.shape if isinstance(form, Channels) else None
        for what, rows, shape in (
            ("samples", store.samples, self.medium.shape),
            ("source images", store.conditions, sources),
        ):
            if rows is not None and shape is not None and tuple(rows.shape[1:]) != tuple(shape):
                raise UserError(
                    f"the {what} of {self.name} {split} are {tuple(rows.shape[1:])}, and the data set says "
                    f"{tuple(shape)}"
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
    """Return what `DataSet.describe` says of a part.

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
