"""Images in memory as one uint8 tensor, and batches that are slices of it.

Slicing a tensor feeds a hundred times more images a second than fetching and collating items one by one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from genbench.data.batch import Batch
from genbench.errors import UserError
from genbench.images import to_float
from genbench.randomness import make_generator


@dataclass(frozen=True)
class ImageStore:
    """All images of a split.

    Attributes:
        images: uint8, (N, C, H, W).
        conditions: (N, ...) or None.
    """

    images: Tensor
    conditions: Tensor | None = None

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self.images)

    def batch(self, index: Tensor | slice, device: torch.device | str = "cpu") -> Batch:
        """Return the images of an index as a batch on a device; the conversion to float happens there."""
        conditions = None if self.conditions is None else self.conditions[index].to(device, non_blocking=True)
        return Batch(to_float(self.images[index].to(device, non_blocking=True)), conditions)


class BatchLoader:
    """Iterate over an epoch of shuffled batches.

    The order depends on (seed, epoch) alone. Each global batch is cut into equal parts, one a process, so 1, 2 or 8
    processes together see the same batches. What is left over at the end of an epoch is dropped. A loader begun at
    step s yields what an uninterrupted one would yield after s batches, whether s ends an epoch or not.

    Args:
        store: the images.
        batch_size: images of a batch over all processes.
        seed: seed of the order.
        rank: this process among `world_size`.
        world_size: processes that share each batch.
        start_step: batches that were already used, in this and all earlier epochs.
        device: where the batches are needed.

    Raises:
        UserError: the batch size does not suit the data or the processes.
    """

    def __init__(
        self,
        store: ImageStore,
        batch_size: int,
        *,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        start_step: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        if not 0 < batch_size <= len(store):
            raise UserError(f"data.batch_size must be from 1 to the {len(store)} training images, not {batch_size}")
        if batch_size % world_size:
            raise UserError(
                f"data.batch_size={batch_size} counts the images of all processes together and must divide by their "
                f"number, {world_size}"
            )
        self._store = store
        self._batch_size = batch_size
        self._seed = seed
        self._rank, self._world_size = rank, world_size
        self._next_step = start_step
        self._device = device

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        return len(self._store) // self._batch_size

    def __iter__(self) -> Iterator[Batch]:
        """Yield the rest of the epoch that the next step lies in; the iteration after it yields the next epoch."""
        epoch, first = divmod(self._next_step, len(self))
        order = torch.randperm(len(self._store), generator=make_generator("order", self._seed, epoch))
        share = self._batch_size // self._world_size
        for position in range(first, len(self)):
            begin = position * self._batch_size + self._rank * share
            if position == len(self) - 1:
                # Before the last batch goes out: who counts to len(loader) never asks for what comes after it.
                self._next_step = (epoch + 1) * len(self)
            yield self._store.batch(order[begin : begin + share], self._device)
