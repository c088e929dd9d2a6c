"""The samples of a split, in memory or mapped, and batches gathered from them.

Gathering a batch from one array gives a hundred times more samples per second than fetching and collating items one by
one.
"""

import math
from typing import Protocol

import torch
from torch import Tensor

from genbench.batch import Batch
from genbench.conditions.base import Channels as ImageForm
from genbench.conditions.base import Condition
from genbench.conditions.source_images import SourceImages
from genbench.data.augmentation import UNVARIED, Variation
from genbench.data.shuffling import Order, Shuffle, shuffle
from genbench.images import to_float
from genbench.medium import Images, Medium


class Rows(Protocol):
    """Stored rows, such as uint8 images (N, C, H, W): a tensor, or an object on disk that is indexed like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, ...)."""

    def __len__(self) -> int:
        """Return N."""

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        """Return some of the rows."""


class Channels:
    """Some channels of images, such as one half of pairs that are stored in one array.

    Args:
        images: all channels.
        first: the first channel.
        last: the channel after the last.
    """

    def __init__(self, images: Rows, first: int, last: int) -> None:
        self._images = images
        self._slice = slice(first, last)
        count, _, height, width = images.shape
        self.shape = (count, last - first, height, width)

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self._images)

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        """Return some of the images."""
        return self._images[index][:, self._slice]

    def will_need(self, starts: Tensor, length: int) -> None:
        """Forward the request to read ahead."""
        _read_ahead(self._images, starts, length)


class SampleStore:
    """All samples of a split.

    Args:
        samples: (N, ...), as the medium stores them.
        conditions: (N, ...), as the condition stores them, or None.
        medium: what a sample is; images of the samples' shape if None.
        condition: what a row of `conditions` means; None if stored rows are passed to methods unchanged.
    """

    def __init__(
        self,
        samples: Rows,
        conditions: Rows | None = None,
        *,
        medium: Medium | None = None,
        condition: Condition | None = None,
    ) -> None:
        self.samples = samples
        self.conditions = conditions
        self.medium = medium or Images(samples.shape[1:])
        self.condition = condition

    has_pairs = True
    """Whether the conditions belong to the samples one by one."""

    def __len__(self) -> int:
        """Return how many samples an epoch has."""
        return len(self.samples)

    @property
    def has_alternatives(self) -> bool:
        """Whether each sample has several alternatives for its condition, of which every epoch draws one."""
        return (
            self.conditions is not None
            and self.condition is not None
            and self.condition.has_alternatives(tuple(self.conditions.shape))
        )

    def order(self, how: Shuffle, generator: torch.Generator) -> Order:
        """Return the order of an epoch."""
        return shuffle(len(self), _sample_bytes(self.samples), how, generator)

    def read_ahead(self, starts: Tensor, length: int) -> None:
        """Start reading runs of samples from disk that will be needed soon."""
        _read_ahead(self.samples, starts, length)

    def load(self, stored: Tensor) -> Tensor:
        """Return stored samples as methods see them."""
        return self.medium.load(stored)

    def batch(self, rows: Tensor | slice, device: torch.device | str = "cpu", variation: Variation = UNVARIED) -> Batch:
        """Return the samples of some rows of an order as a batch on a device, where they are converted to float.

        Args:
            rows: which samples.
            device: of the batch.
            variation: augmentation of these rows, and which of several conditions each is to have; without, the first.
        """
        x = variation.apply(self.load(_hand_over(_take(self.samples, rows), device)))
        if self.conditions is None:
            return Batch(x, None)
        conditions = _hand_over(_take(self.conditions, rows), device)
        if self.condition is None:
            return Batch(x, conditions)
        if variation.places is not None:
            conditions = self.condition.choose(conditions, _hand_over(variation.places, device))
        conditions = self.condition.load(conditions)
        # A source image gets the same augmentation as its target.
        is_image = isinstance(self.condition.form, ImageForm)
        return Batch(x, variation.apply(conditions) if is_image else conditions)


class UnpairedStore(SampleStore):
    """Unpaired images of two domains: those of the source domain are the condition.

    An epoch is as long as the larger domain; images of the smaller one are repeated equally often, to within one. The
    domains are shuffled independently.

    Args:
        samples: uint8 images of the target domain, (N, C, H, W).
        sources: uint8 images of the source domain, (M, C, H, W).
    """

    has_pairs = False

    def __init__(self, samples: Rows, sources: Rows) -> None:
        super().__init__(samples, sources, condition=SourceImages(sources.shape[1:]))
        self.sources = sources

    def __len__(self) -> int:
        """Return how many images the larger domain has."""
        return max(len(self.samples), len(self.sources))

    def order(self, how: Shuffle, generator: torch.Generator) -> Order:
        """Return rows of two indices, (N, 2): of the target and of the source."""
        columns = []
        for images in (self.samples, self.sources):
            rounds = -(-len(self) // len(images))
            orders = [shuffle(len(images), _sample_bytes(images), how, generator) for _ in range(rounds)]
            columns.append(torch.cat([order.rows for order in orders]))
        return Order(torch.stack([column[: len(self)] for column in columns], dim=1))

    def batch(self, rows: Tensor | slice, device: torch.device | str = "cpu", variation: Variation = UNVARIED) -> Batch:
        """Return target images with unrelated source images as their condition, augmented independently.

        Rows are pairs of indices, (N, 2), as `order` has them, or of targets alone, (N,): sources then follow in turn.
        """
        if isinstance(rows, slice):
            raise TypeError("the rows of an unpaired store are pairs of indices")
        if rows.ndim == 1:
            rows = torch.stack([rows, rows % len(self.sources)], dim=1)
        x, sources = (
            variation[:, column].apply(to_float(_hand_over(_take(images, rows[:, column]), device)))
            for column, images in enumerate((self.samples, self.sources))
        )
        return Batch(x, sources)


def _take(stored: Rows, rows: Tensor | slice) -> Tensor:
    if isinstance(stored, Tensor) and isinstance(rows, Tensor):
        # Ten times faster than indexing.
        return stored.index_select(0, rows)
    return stored[rows]


def _hand_over(rows: Tensor, device: torch.device | str) -> Tensor:
    """Return rows on a device without synchronising a GPU, as a copy from pageable memory would."""
    if torch.device(device).type == "cuda" and rows.device.type == "cpu":
        rows = rows.pin_memory()
    return rows.to(device, non_blocking=True)


def _sample_bytes(samples: Rows) -> int:
    # Samples on disk that are read in blocks are uint8.
    return math.prod(samples.shape[1:])


def _read_ahead(samples: Rows, starts: Tensor, length: int) -> None:
    if hasattr(samples, "will_need"):
        samples.will_need(starts, length)
