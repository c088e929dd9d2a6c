"""Batches of an epoch: shuffled, divided among processes, resumable at any step."""

import time
from collections.abc import Iterator

import torch

from genbench.batch import Batch
from genbench.data.augmentation import NOTHING, Augmentation
from genbench.data.shuffling import Shuffle
from genbench.data.store import SampleStore
from genbench.errors import UserError
from genbench.randomness import make_generator


class BatchLoader:
    """Iterate over an epoch of shuffled batches.

    The order, the augmentation and which of several captions is drawn depend only on (seed, epoch). Each global batch
    is divided equally among the processes, so 1, 2 or 8 processes together get the same batches. The last incomplete
    batch of an epoch is dropped. A loader that starts at step s yields the same as an uninterrupted one after s
    batches, also within an epoch.

    Args:
        store: the images.
        batch_size: images of a batch over all processes.
        accumulated: how many such batches are yielded as one, for a step that accumulates their gradients.
        seed: seed of the order.
        shuffle: how to shuffle, see `shuffling`.
        augmentation: of the images.
        rank: this process among `world_size`.
        world_size: processes among which each batch is divided.
        start_step: batches already used, in this and all earlier epochs.
        device: of the returned batches.

    Raises:
        UserError: the batch size does not suit the data or the processes.
    """

    def __init__(
        self,
        store: SampleStore,
        batch_size: int,
        *,
        accumulated: int = 1,
        seed: int = 0,
        shuffle: Shuffle = "full",
        augmentation: Augmentation = NOTHING,
        rank: int = 0,
        world_size: int = 1,
        start_step: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        check_batches(len(store), batch_size, accumulated, world_size)
        self._store = store
        self._batch_size = batch_size * accumulated
        self._seed = seed
        self._shuffle = shuffle
        self._augmentation = augmentation
        self._rank, self._world_size = rank, world_size
        self._next_step = start_step
        self._device = device
        self.seconds_spent = 0.0
        """Seconds spent on making batches so far, during which the training waited."""

    def __len__(self) -> int:
        """Batches per epoch."""
        return len(self._store) // self._batch_size

    def __iter__(self) -> Iterator[Batch]:
        """Yield the rest of the current epoch; the next iteration yields the next epoch."""
        epoch, first = divmod(self._next_step, len(self))
        order = self._store.order(self._shuffle, make_generator("order", self._seed, epoch))
        variation = self._augmentation.draw(order.rows.shape, self._seed, epoch, self._store.has_alternatives)
        own = self._batch_size // self._world_size
        # Data read ahead before `first` are no longer cached.
        ahead = [window for window in order.windows if window[0] >= first * self._batch_size]
        for position in range(first, len(self)):
            begin = position * self._batch_size + self._rank * own
            began = time.monotonic()
            # While the batches of a window are used, the kernel reads the next.
            while ahead and ahead[0][0] <= begin + order.window_images:
                self._store.read_ahead(ahead.pop(0)[1], order.block)
            if position == len(self) - 1:
                # Before the last batch is yielded: a consumer that counts to len(loader) does not resume after it.
                self._next_step = (epoch + 1) * len(self)
            rows = slice(begin, begin + own)
            batch = self._store.batch(order.rows[rows], self._device, variation[rows])
            self.seconds_spent += time.monotonic() - began
            yield batch


def check_batches(count: int, batch_size: int, accumulated: int, world_size: int) -> None:
    """Check that batches suit the data and the processes.

    Args:
        count: training images.
        batch_size: images of a batch over all processes.
        accumulated: batches of a step.
        world_size: processes.

    Raises:
        UserError: they don't.
    """
    if not 0 < batch_size <= count:
        raise UserError(f"data.batch_size must be from 1 to the {count} training images, not {batch_size}")
    if accumulated < 1 or batch_size * accumulated > count:
        raise UserError(
            f"trainer.accumulate_grad_batches={accumulated} times data.batch_size={batch_size} must be from 1 to "
            f"the {count} training images, of which a step has so many"
        )
    if batch_size % world_size:
        raise UserError(
            f"data.batch_size={batch_size} counts the images of all processes together and must be a multiple of "
            f"their number, {world_size}"
        )
