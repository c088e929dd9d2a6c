"""Batches of an epoch that are decoded while they are read, from shards that need not fit in memory or on the disk."""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import torch
from torch import Tensor

from genbench.batch import Batch
from genbench.data.augmentation import NOTHING, Augmentation
from genbench.data.loader import check_batches
from genbench.data.store import SampleStore
from genbench.data.tar_shards import Record
from genbench.randomness import derive_seed, make_generator

_AHEAD = 2
"""Batches that are decoded while one is trained on."""

Read = Callable[[Tensor, int, int, random.Random], Iterator[Record]]
"""A function of an order of the shards, of the first position in it and the one after the last, and of random numbers
for a buffer, that yields the records at these positions."""


class StreamLoader:
    """Iterate over an epoch of shuffled batches.

    An epoch is a random order of the shards. Each process reads a stretch of it, equally many records; none is read by
    two, though a shard may be. Within its stretch it shuffles by a buffer. The order depends only on (seed, epoch) and
    the number of processes, and is independent of the number of workers. A loader that starts at step s yields the same
    as an uninterrupted one after s batches: it reads over what comes before.

    Args:
        read: reads records.
        decode: makes a store of a batch of records; it is called in several threads.
        count: records of an epoch.
        shards: how many there are.
        batch_size: images of a batch over all processes.
        accumulated: how many such batches are yielded as one.
        seed: of the order.
        augmentation: of the images.
        rank: this process among `world_size`.
        world_size: processes among which each batch is divided.
        start_step: batches already used, in this and all earlier epochs.
        device: of the returned batches.
        workers: threads that decode.

    Raises:
        UserError: the batch size does not suit the data or the processes.
    """

    def __init__(
        self,
        read: Read,
        decode: Callable[[list[Record]], SampleStore],
        count: int,
        shards: int,
        batch_size: int,
        *,
        accumulated: int = 1,
        seed: int = 0,
        augmentation: Augmentation = NOTHING,
        rank: int = 0,
        world_size: int = 1,
        start_step: int = 0,
        device: torch.device | str = "cpu",
        workers: int = 1,
    ) -> None:
        check_batches(count, batch_size, accumulated, world_size)
        self._read, self._decode = read, decode
        self._count, self._shards = count, shards
        self._batch_size = batch_size * accumulated
        self._seed = seed
        self._augmentation = augmentation
        self._rank, self._world_size = rank, world_size
        self._next_step = start_step
        self._device = device
        self._workers = workers
        self.seconds_spent = 0.0
        """Seconds spent on making batches so far, during which the training waited."""

    def __len__(self) -> int:
        """Batches per epoch."""
        return self._count // self._batch_size

    def __iter__(self) -> Iterator[Batch]:
        """Yield the rest of the current epoch; the next iteration yields the next epoch."""
        epoch, first = divmod(self._next_step, len(self))
        own = self._batch_size // self._world_size
        records = islice(self._records(epoch, own), first * own, None)
        with ThreadPoolExecutor(self._workers) as pool:
            waiting: deque[Future[SampleStore]] = deque()
            for position in range(first, len(self)):
                began = time.monotonic()
                while len(waiting) <= _AHEAD and (following := list(islice(records, own))):
                    waiting.append(pool.submit(self._decode, following))
                store = waiting.popleft().result()
                if position == len(self) - 1:
                    # Before the last batch is yielded: a consumer that counts to len(loader) does not resume after it.
                    self._next_step = (epoch + 1) * len(self)
                batch = self._batch(store, epoch * len(self) + position, own)
                self.seconds_spent += time.monotonic() - began
                yield batch

    def _records(self, epoch: int, own: int) -> Iterator[Record]:
        order = torch.randperm(self._shards, generator=make_generator("order", self._seed, epoch))
        length = len(self) * own
        chances = random.Random(derive_seed("order", self._seed, epoch, self._rank))
        return self._read(order, self._rank * length, (self._rank + 1) * length, chances)

    def _batch(self, store: SampleStore, step: int, own: int) -> Batch:
        # Of the whole batch, so that what is drawn does not depend on the number of processes.
        shape = torch.Size([self._batch_size])
        variation = self._augmentation.draw(shape, self._seed, step, store.has_alternatives)
        rows = slice(self._rank * own, (self._rank + 1) * own)
        return store.batch(slice(0, own), self._device, variation[rows])
