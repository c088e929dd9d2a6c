"""The interface of every data set: the samples of its splits, in a fixed order, and batches of them."""

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from lightning import LightningDataModule

from genbench.conditions.base import Channels, Condition
from genbench.conditions.classes import Classes
from genbench.conditions.source_images import SourceImages
from genbench.data.augmentation import NOTHING, Augmentation
from genbench.data.contents import digest
from genbench.data.encoded import Encoding, encoded
from genbench.data.loader import BatchLoader
from genbench.data.preparation import Preparation
from genbench.data.shuffling import Shuffle
from genbench.data.store import SampleStore
from genbench.data.templates import Templates
from genbench.errors import UserError
from genbench.medium import Images, Medium
from genbench.text.templates import as_words
from genbench.text.tokenizer import TokenizerName

Split = str
"""The name of a split: "train", "val", "test", or another that a data set has, such as "unseen" of scenes."""

USUAL_SPLITS: tuple[Split, ...] = ("train", "val", "test")
"""The splits that files on disk may come in."""

_DIGITS = 16
"""Hexadecimal digits kept of a hash: among a billion data sets the probability of a collision is 3 in 100."""


class DataSet(LightningDataModule):
    """A data set whose splits are `SampleStore`s.

    A data set's own file defines `medium`, `condition` and how to `load` a split.

    Args:
        batch_size: images of a batch over all processes; at least 1.
        seed: seed of the training order.
        flip: whether half of the training images are flipped horizontally.
        jitter: pixels by which training images are enlarged before a random crop.
        shuffle: how the training images are shuffled, see `shuffling`.
        captions: a template such as "a photo of a {}", or several, by which captions of the labels take their place.
        tokenizer: of these captions.

    Raises:
        UserError: an argument is out of range.
    """

    medium: Medium
    """What a sample is."""

    facts: tuple[str, ...] = ("medium", "condition", "image_shape")
    """Attributes passed to a method whose constructor has arguments of these names; a data set may add its own."""

    name: str
    """The data set's name in scores and tables."""

    preparation: Preparation | None = None
    """How pictures become its images, if those were made of files of any size."""

    def __init__(
        self,
        batch_size: int,
        seed: int,
        flip: bool = False,
        shuffle: Shuffle = "full",
        jitter: int = 0,
        captions: str | Sequence[str] | None = None,
        tokenizer: TokenizerName = "words",
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise UserError(f"data.batch_size must be at least 1, not {batch_size}")
        if captions is None and tokenizer != "words":
            raise UserError(f"data.tokenizer={tokenizer} has no effect without data.captions, a template")
        self.batch_size = batch_size
        self.accumulated = 1
        """Batches of `batch_size` images that a step accumulates; set before the training."""
        self.seed = seed
        self.augmentation = Augmentation(flip, jitter)
        self.shuffle = shuffle
        self.encoding: Encoding | None = None
        """What encodes training samples once, in the place of the method in each step; set before the training."""
        self._labels: Condition | None = None
        self.captions = captions
        self._templates = None if captions is None else Templates(captions, tokenizer)
        self._encoded: SampleStore | None = None
        self._labelled: dict[Split, SampleStore] = {}
        self._captioned: dict[Split, SampleStore] = {}
        self._description: dict[str, Any] | None = None

    @property
    def images_per_step(self) -> int:
        """Images of a training step over all processes."""
        return self.batch_size * self.accumulated

    @property
    def splits(self) -> tuple[Split, ...]:
        """The available splits; "train" is always among them."""
        return ("train", "test")

    @abstractmethod
    def load(self, split: Split) -> SampleStore:
        """Read a split.

        Raises:
            UserError: a file is missing or is not what it should be; the message names it and the remedy.
        """

    @property
    def labels(self) -> Condition | None:
        """What the samples are labelled with; None if they are unlabelled."""
        return self._labels

    @property
    def condition(self) -> Condition | None:
        """What methods are conditioned on: the labels, or captions of them if `captions` has templates."""
        return self.labels if self._templates is None else self._templates.condition(self.every_phrase())

    @condition.setter
    def condition(self, labels: Condition | None) -> None:
        self._labels = labels

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image.

        Raises:
            UserError: the samples are not images.
        """
        if not isinstance(self.medium, Images):
            raise UserError(f"{self.name} has samples of shape {self.medium.shape}, and images are needed")
        channels, height, width = self.medium.shape
        return channels, height, width

    @property
    def class_names(self) -> list[str] | None:
        """The names of the classes by their numbers; None if the samples are not labelled with classes."""
        return self.labels.names if isinstance(self.labels, Classes) else None

    def phrases(self, labels: torch.Tensor) -> list[str]:
        """Return what stored labels are called in a caption by template.

        Raises:
            UserError: they are no classes.
        """
        names = self.every_phrase()
        return [names[number] for number in labels.tolist()]

    def every_phrase(self) -> list[str]:
        """Return phrases that hold every word of `phrases`, one as long as any among them.

        Raises:
            UserError: the samples are not labelled with classes.
        """
        if (names := self.class_names) is None:
            raise UserError(f"data.captions: {self.name} has no classes whose names could be put into a template")
        return [as_words(name) for name in names]

    def recall(self, described: dict[str, Any]) -> None:
        """Use the facts that a run recorded by `describe`, instead of reading them from files."""

    def number_as(self, described: dict[str, Any]) -> None:
        """Number the classes as in a run that an earlier version may have begun."""

    def undivided(self) -> str:
        """Let "train" hold all images that a reference for others' samples should have, and describe them in words.

        Splits that the data set's authors held out stay held out.
        """
        return "the training images as the data set's makers divided them"

    def describe(self) -> dict[str, Any]:
        """Describe the images, for the run's manifest: the same for the same content, wherever it is stored.

        `sha256` identifies everything that a run uses of the data, which is all but the validation images; `parts` has
        for each part the number of images, also of each class, and its own hash.

        Raises:
            UserError: a file is missing or is not what it should be.
        """
        if self._description is None:
            parts, classes = self.describe_parts(), self.class_names
            content: list[Any] = [*((part, facts["sha256"]) for part, facts in parts.items()), classes]
            if self._templates is not None:
                content.append(self._templates.templates)
            seen = digest(content)[:_DIGITS]
            self._description = {
                "name": self.name,
                **self.medium.describe(),
                "sha256": seen,
                "parts": parts,
                **({} if classes is None else {"classes": classes}),
            }
        return self._description

    def describe_parts(self) -> dict[str, dict[str, Any]]:
        """Return the facts of each part that a run uses; small data sets are read for it, and fetched if necessary."""
        self.prepare_data()
        parts: dict[str, dict[str, Any]] = {}
        for split in self.splits:
            if split != "val":
                store = self.labelled(split)
                tensors = [one[:] for one in (store.samples, store.conditions) if one is not None]
                content: list[Any] = [_hash(tensor) for tensor in tensors]
                if not isinstance(self.labels, Classes | SourceImages | None):
                    # Tokens mean nothing without their vocabulary. (The names of classes are added in `describe`.)
                    content.append(self.labels.to_dict())
                parts[split] = part_facts(len(store), content, self._by_class(tensors))
        return parts

    def _by_class(self, tensors: list[torch.Tensor]) -> list[int] | None:
        return None if (names := self.class_names) is None else tensors[1].bincount(minlength=len(names)).tolist()

    def identity(self, split: Split) -> dict[str, Any]:
        """Return facts that identify the images of a split; for small data sets a hash of the pixels."""
        return {**self.medium.describe(), "sha256": _hash(self.labelled(split).samples[:])[:_DIGITS]}

    def store(self, split: Split) -> SampleStore:
        """Return a split, each sample with its condition; it is read only once.

        Raises:
            UserError: there is no such split, or it can't be read.
        """
        labelled = self.labelled(split)
        if self._templates is None:
            return labelled
        if split not in self._captioned:
            condition = self._templates.condition(self.every_phrase())
            assert labelled.conditions is not None
            phrases = self.phrases(labelled.conditions[:])
            self._captioned[split] = self._templates.captioned(labelled, phrases, condition)
        return self._captioned[split]

    def labelled(self, split: Split) -> SampleStore:
        """Return a split, each sample with its label as `labels` has them, also where captions take their place.

        Raises:
            UserError: there is no such split, or it can't be read.
        """
        if split not in self._labelled:
            if split not in self.splits:
                raise UserError(f"{self.name} has no {split} split, only {', '.join(self.splits)}")
            self._labelled[split] = self._checked(self.load(split), split)
        return self._labelled[split]

    def _checked(self, store: SampleStore, split: Split) -> SampleStore:
        """Return a store after checking that its samples have the declared shapes, for which networks are built."""
        form = None if self.labels is None else self.labels.form
        sources = form.shape if isinstance(form, Channels) else None
        for what, rows, shape in (
            ("samples", store.samples, self.medium.shape),
            ("source images", store.conditions, sources),
        ):
            if rows is not None and shape is not None and tuple(rows.shape[1:]) != tuple(shape):
                raise UserError(
                    f"the {what} of {self.name} {split} have shape {tuple(rows.shape[1:])}, and the data set declares "
                    f"{tuple(shape)}"
                )
        return store

    def train_dataloader(self) -> BatchLoader:
        """Return the training batches; under a trainer those of this process, from the current step on."""
        return BatchLoader(
            self._trained_on(),
            self.batch_size,
            accumulated=self.accumulated,
            seed=self.seed,
            shuffle=self.shuffle,
            augmentation=self.augmentation,
            **self._place(),
        )

    @property
    def varies(self) -> str | None:
        """What makes a training sample differ from epoch to epoch, or keeps it from being looked up; None if nothing.

        Raises:
            UserError: the training images can't be read.
        """
        if self.augmentation != NOTHING:
            return "data.flip and data.jitter vary them"
        return None if self.store("train").has_pairs else "they have a source image only for one epoch"

    def _trained_on(self) -> SampleStore:
        store = self.store("train")
        if self.encoding is None or self.trainer is None:
            return store
        if self._encoded is None:
            self._encoded = encoded(store, self.encoding, self.identity("train"), self.trainer)
        return self._encoded

    def _place(self) -> dict[str, Any]:
        """Return under a trainer which process this is, and at which step; else nothing."""
        if self.trainer is None:
            return {}
        return {
            "rank": self.trainer.global_rank,
            "world_size": self.trainer.world_size,
            "start_step": self.trainer.global_step,
            "device": self.trainer.strategy.root_device,
        }


def part_facts(
    images: int | None, content: list[Any], by_class: list[int] | None = None, origin: str | None = None
) -> dict[str, Any]:
    """Return the facts of a part for `DataSet.describe`.

    Args:
        images: how many; None if not known before they are unpacked.
        content: hash that identifies them.
        by_class: how many of each class; None without classes.
        origin: where they come from, in words, if worth mentioning.
    """
    facts = {"images": images, "by_class": by_class, "from": origin, "sha256": digest(content)[:_DIGITS]}
    return {name: value for name, value in facts.items() if value is not None}


def _hash(tensor: torch.Tensor) -> str:
    return hashlib.sha256(tensor.contiguous().numpy().data).hexdigest()
