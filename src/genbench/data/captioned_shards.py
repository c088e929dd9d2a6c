"""Images with captions in WebDataset's tar shards, streamed: for data that fit on no disk.

Example:
    python -m genbench train method=clip data=captioned_shards data.root="shards/{00000..00127}.tar"
"""

import random
import re
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genbench.conditions.captions import CONTEXT, Captions
from genbench.data.base import DataSet, Split, part_facts
from genbench.data.holding_out import check_test_every, held_out
from genbench.data.preparation import Crop, Filter, Preparation
from genbench.data.prepare import OnError
from genbench.data.prepare_progress import say
from genbench.data.store import SampleStore
from genbench.data.stream_loader import StreamLoader
from genbench.data.tar_index import Index, index_shards
from genbench.data.tar_shards import Record, list_shards, read_records
from genbench.errors import UserError
from genbench.medium import Images
from genbench.text.tokenizer import TokenizerName


class CaptionedShards(DataSet):
    """Streamed images with captions; what pictures and scores look at are the first of each split, in memory.

    Args:
        root: the shards: a folder, or a pattern, see `tar_shards.list_shards`.
        name: of the data set in scores: letters, digits, _ and -.
        test: shards of the test split, as `root`; if None, records are held out by their names.
        test_every: of so many records one is held out if `test` is None; 0 for none.
        in_memory: how many images of each split pictures and scores look at.
        buffer: records among which training images are shuffled, besides the order of the shards.
        tokenizer: of the captions: "words" of their own, or "clip_bpe".
        length: tokens of a caption; as many as the longest has if None, or CLIP's 77.
        prepared: folder of what the first pass over the shards found.
        size: side in pixels.
        crop: see `Preparation`.
        filter: Pillow's filter.
        channels: 3 for RGB, 1 for grey.
        workers: threads that decode.
        on_error: "stop" ends at a damaged shard or record, "skip" leaves it out. A damaged image is found when it is
            decoded: another of its batch takes its place, so that all processes make equally many steps.
        batch_size: images of a batch over all processes.
        seed: seed of the training order.
        flip: whether half of the training images are flipped horizontally.

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(
        self,
        root: str = "data",
        *,
        name: str = "captioned_shards",
        test: str | None = None,
        test_every: int = 100,
        in_memory: int = 2000,
        buffer: int = 1000,
        tokenizer: TokenizerName = "words",
        length: int | None = None,
        prepared: str = "data/prepared",
        size: int = 64,
        crop: Crop = "crop_then_resize",
        filter: Filter = "bilinear",
        channels: int = 3,
        workers: int = 4,
        on_error: OnError = "stop",
        batch_size: int = 128,
        seed: int = 0,
        flip: bool = False,
    ) -> None:
        super().__init__(batch_size, seed, flip)
        if not re.fullmatch(r"[\w-]+", name):
            raise UserError(f"data.name may hold letters, digits, _ and -, not {name!r}")
        check_test_every(test_every)
        for key, value in (("in_memory", in_memory), ("buffer", buffer), ("workers", workers)):
            if value < 1:
                raise UserError(f"data.{key} must be at least 1, not {value}")
        self.name = name
        self.root, self.test = root, test
        self.test_every = 0 if test is not None else test_every
        self.in_memory, self.buffer, self.workers = in_memory, buffer, workers
        self.tokenizer, self.length = tokenizer, length
        self.prepared = Path(prepared).expanduser()
        self.preparation: Preparation = Preparation(size, crop, filter, channels)
        self.medium = Images((channels, size, size))
        self.on_error = on_error
        self._said: set[str] = set()

    @cached_property
    def labels(self) -> Captions:
        """The captions, after a first pass over the shards if they are of words.

        Raises:
            UserError: there is no such tokenizer, or no caption of this length.
        """
        try:
            if self.tokenizer == "words":
                longest = max(self._index("train").longest, self._index("test").longest)
                return Captions(self._index("train").words, self.length or longest)
            return Captions(tokenizer=self.tokenizer, length=self.length or CONTEXT)
        except ValueError as error:
            raise UserError(f"data: {error}") from error

    @property
    def splits(self) -> tuple[Split, ...]:
        """With "test" if there are records of it."""
        return ("train", "test") if self._count("test") else ("train",)

    def prepare_data(self) -> None:
        """Read the shards once, to know how many records there are."""
        if not self._count("train"):
            raise UserError(f"data.root={self.root} has no training record")

    def load(self, split: Split) -> SampleStore:
        """Return the first images of a split, `in_memory` of them at most, with their captions."""
        self.prepare_data()
        records: list[Record] = []
        for shard in self._shards(split):
            records += islice(self._of_shard(shard, split), self.in_memory - len(records))
            if len(records) == self.in_memory:
                break
        return self.decode(records)

    @property
    def varies(self) -> str | None:
        """That they can't be looked up by their numbers."""
        return "they are streamed"

    def train_dataloader(self) -> StreamLoader:  # type: ignore[override]
        """Return the training batches; under a trainer those of this process, from the current step on."""
        self.prepare_data()
        return StreamLoader(
            self.read,
            self.decode,
            self._count("train"),
            len(self._shards("train")),
            self.batch_size,
            accumulated=self.accumulated,
            seed=self.seed,
            augmentation=self.augmentation,
            workers=self.workers,
            **self._place(),
        )

    def read(self, order: Tensor, first: int, last: int, chances: random.Random) -> Iterator[Record]:
        """Yield the training records at positions of an order of the shards, shuffled by a buffer.

        Args:
            order: of the shards.
            first: the first position.
            last: the position after the last.
            chances: of the buffer.
        """
        from webdataset import filters

        return iter(filters.shuffle(self.buffer, initial=self.buffer, rng=chances)(self._stretch(order, first, last)))

    def decode(self, records: list[Record]) -> SampleStore:
        """Return records as a store.

        Raises:
            UserError: an image can't be read and `on_error` is "stop", or none can; a caption is too long.
        """
        found: list[np.ndarray | None] = [self._pixels(record) for record in records]
        whole = next((place for place, image in enumerate(found) if image is not None), None)
        if whole is None:
            raise UserError(f"data.root={self.root}: none of {len(records)} images in a row can be read")
        places = [whole if image is None else place for place, image in enumerate(found)]
        images = np.stack([found[place] for place in places])  # type: ignore[misc]
        try:
            rows = self.labels.encode_several([records[place].texts for place in places])
        except ValueError as error:
            raise UserError(f"{self.name}: {error}: shorten it, or set data.length") from error
        samples = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        return SampleStore(samples, rows, medium=self.medium, condition=self.labels)

    def describe_parts(self) -> dict[str, dict[str, Any]]:
        """Return how many records each split has, and the hash of all."""
        self.prepare_data()
        where = {"train": None, "test": None if self.test else f"one in {self.test_every}, held out"}
        return {
            split: part_facts(self._count(split), [self._index(split).sha256, self.test_every], None, where[split])
            for split in self.splits
        }

    def identity(self, split: Split) -> dict[str, Any]:
        """Return what identifies the images of a split that scores look at."""
        facts = {"sha256": self._index(split).sha256, "in_memory": self.in_memory, "test_every": self.test_every}
        return {"preparation": self.preparation.describe(), **facts}

    def _shards(self, split: str) -> list[str]:
        return self._listed[self._source(split)]

    @cached_property
    def _listed(self) -> dict[str, list[str]]:
        test = {} if self.test is None else {"test": list_shards(self.test, "data.test")}
        return {"root": list_shards(self.root), **test}

    def _index(self, split: str) -> Index:
        return self._indices[self._source(split)]

    @cached_property
    def _indices(self) -> dict[str, Index]:
        return {
            source: index_shards(shards, self.test_every, self.on_error, self.prepared)
            for source, shards in self._listed.items()
        }

    def _source(self, split: str) -> str:
        return "test" if split == "test" and self.test is not None else "root"

    def _counts(self, split: str) -> list[int]:
        """Return the records of a split in each of its shards."""
        index = self._index(split)
        return index.test if split == "test" and self.test is None else index.train

    def _count(self, split: str) -> int:
        return sum(self._counts(split))

    def _of_shard(self, shard: str, split: str) -> Iterator[Record]:
        held = split == "test" and self.test is None
        # What is left out was said in the first pass.
        records = read_records(shard, self.on_error, lambda what: None)
        return (record for record in records if held_out(record.key, self.test_every) == held)

    def _stretch(self, order: Tensor, first: int, last: int) -> Iterator[Record]:
        begin = 0
        for number in order.tolist():
            end = begin + self._counts("train")[number]
            if begin < last and first < end:
                inner = slice(max(first - begin, 0), min(last, end) - begin)
                yield from islice(self._of_shard(self._shards("train")[number], "train"), inner.start, inner.stop)
            begin = end

    def _pixels(self, record: Record) -> np.ndarray | None:
        try:
            return self.preparation(record.image)
        except MemoryError:
            raise
        except Exception as error:  # damaged files make decoders raise all kinds
            what = f"{record.key} of {record.shard} can't be read: {str(error) or type(error).__name__}"
            if self.on_error == "stop":
                raise UserError(f"{what}; mend it, or set data.on_error=skip to leave such out") from error
            if what not in self._said:
                say(f"left out: {what}")
                self._said.add(what)
            return None
