"""Training samples as a frozen model encodes them, computed once and kept on disk.

The file's name is a key of the samples, of the model's weights and of what it makes of them, so others make another
file. It appears under its name once it is complete.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from genbench.data.prepare_progress import QUIET, Progress
from genbench.data.shuffling import Order, Shuffle
from genbench.data.store import Rows, SampleStore
from genbench.errors import UserError

_BATCH = 64


@dataclass(frozen=True)
class Encoding:
    """What encodes samples, and where the result is kept.

    Attributes:
        encode: maps samples (B, ...) to latents (B, ...), floating point or whole numbers.
        kind: what these are, as one model may encode in several ways.
        weights: hash of the weights that do it.
        folder: of the files.
    """

    encode: Callable[[Tensor], Tensor]
    kind: str
    weights: str
    folder: Path


class EncodedStore(SampleStore):
    """The samples of a store, encoded: in its order, with its conditions.

    Args:
        latents: (N, ...).
        source: the store.
    """

    def __init__(self, latents: Rows, source: SampleStore) -> None:
        super().__init__(latents, source.conditions, medium=source.medium, condition=source.condition)
        self._source = source

    def order(self, how: Shuffle, generator: torch.Generator) -> Order:
        """Return the order that an epoch of the samples themselves has."""
        return self._source.order(how, generator)

    def load(self, stored: Tensor) -> Tensor:
        """Return latents as methods see them: float32, or int64."""
        return stored.float() if stored.is_floating_point() else stored.long()


class _Mapped:
    """Rows of an array on disk.

    Args:
        path: of an `.npy` file.
    """

    def __init__(self, path: Path) -> None:
        self._array = np.load(path, mmap_mode="r", allow_pickle=False)
        self.shape = self._array.shape

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        return torch.from_numpy(np.array(self._array[index.numpy() if isinstance(index, Tensor) else index]))


def encoded(store: SampleStore, encoding: Encoding, identity: dict[str, Any], trainer: Any) -> EncodedStore:
    """Return the samples of a store, encoded; they are, if necessary, by all processes of a trainer together.

    Args:
        store: of the samples.
        encoding: see there.
        identity: of the samples.
        trainer: Lightning's.

    Raises:
        UserError: the file can't be written, or isn't seen by this process.
    """
    facts = json.dumps([identity, encoding.kind, encoding.weights], sort_keys=True)
    key = hashlib.sha256(facts.encode()).hexdigest()[:16]
    path = encoding.folder / f"{key}.npy"
    try:
        with _held_by_the_first(path, trainer):
            if not trainer.strategy.broadcast(path.is_file()):
                _encode(store, encoding, path, trainer)
        found = _opened(path)
        if len(found) != len(store):
            raise _damaged(path)
        return EncodedStore(found, store)
    except OSError as error:
        raise UserError(
            f"latents can't be kept in method.latents_in={encoding.folder} ({error.strerror or error}): name a folder "
            "that every process can write to, or set method.latents_in=null to encode each batch"
        ) from error


def _opened(path: Path) -> _Mapped:
    """Return an array on disk.

    Raises:
        UserError: it is none, or is cut short.
    """
    try:
        return _Mapped(path)
    except (ValueError, EOFError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} is damaged, or not what its name says: delete it, and the images are encoded again")


def _encode(store: SampleStore, encoding: Encoding, path: Path, trainer: Any) -> None:
    """Write the file; the processes take batches in turn."""
    rank, world_size, device = trainer.global_rank, trainer.world_size, trainer.strategy.root_device
    beside = path.with_suffix(".partial.npy")

    def latents(first: int) -> np.ndarray:
        batch = store.batch(slice(first, min(first + _BATCH, len(store))), device)
        with torch.no_grad():
            found = encoding.encode(batch.x)
        # Half the bytes: a rounding of 5e-4, where a first stage's own error is some hundredths.
        return found.to(torch.float16 if found.is_floating_point() else torch.int32).cpu().numpy()

    if rank == 0:
        one = latents(0)
        np.lib.format.open_memmap(beside, "w+", one.dtype, (len(store), *one.shape[1:])).flush()
    trainer.strategy.barrier()
    array = np.lib.format.open_memmap(beside, "r+")
    own = range(rank * _BATCH, len(store), world_size * _BATCH)
    with Progress("encoding training samples once", -(-len(store) // world_size), quiet=QUIET) as progress:
        for first in own:
            array[first : first + _BATCH] = latents(first)
            progress.advance(min(_BATCH, len(store) - first))
    array.flush()
    trainer.strategy.barrier()
    if rank == 0:
        beside.replace(path)
    trainer.strategy.barrier()


@contextmanager
def _held_by_the_first(path: Path, trainer: Any) -> Iterator[None]:
    """Let one training at a time write a file: others that need it wait, and find it."""
    if trainer.global_rank != 0:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.stem}.lock")):
        yield
