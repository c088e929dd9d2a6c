"""Decode records in several processes, in order, a chunk at a time.

The processes are started afresh, not forked, so no lock or thread of this one is copied into them; they end with it,
however it ends.
"""

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from types import ModuleType, TracebackType
from typing import NamedTuple, Protocol

import numpy as np

from genbench.data.sources import Source
from genbench.errors import UserError

CHUNK = 256
"""Records that are decoded, written and journalled together."""


class Pixels(Protocol):
    """What makes an image of encoded bytes, such as a `Preparation`."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of what it makes."""

    def __call__(self, content: bytes) -> np.ndarray:
        """Return uint8 (H, W, C).

        Raises:
            ValueError, OSError: the bytes are no image that can be read in full.
        """


class Decoded(NamedTuple):
    """What became of some records.

    Attributes:
        images: uint8 (n, H, W, C), of those that could be read.
        keys: of all records.
        broken: (key, reason) of those that could not.
    """

    images: np.ndarray
    keys: list[str]
    broken: list[tuple[str, str]]


def decode_records(source: Source, pixels: Pixels, keys: list[str]) -> Decoded:
    """Read and decode records."""
    images = np.empty((len(keys), *pixels.shape), dtype=np.uint8)
    broken: list[tuple[str, str]] = []
    count = 0
    for key in keys:
        try:
            images[count] = pixels(source.read(key))
            count += 1
        except MemoryError:
            raise
        except Exception as error:  # damaged files make decoders raise all kinds
            broken.append((key, str(error) or type(error).__name__))
    return Decoded(images[:count], keys, broken)


class Decoder:
    """A pool of processes that decode.

    Args:
        source: where the records are.
        pixels: what to make of them.
        workers: processes; with 1 the work is done in this one.
    """

    def __init__(self, source: Source, pixels: Pixels, workers: int) -> None:
        self._source, self._pixels, self._workers = source, pixels, workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Decoder":
        """Start the processes."""
        if self._workers > 1:
            self._pool = ProcessPoolExecutor(
                self._workers, get_context("spawn"), initializer=_begin, initargs=(self._source, self._pixels)
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the processes."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def map(self, chunks: Iterator[list[str]]) -> Iterator[Decoded]:
        """Yield what became of each chunk of keys, in their order.

        Raises:
            UserError: a process died.
        """
        if self._pool is None:
            yield from (decode_records(self._source, self._pixels, chunk) for chunk in chunks)
            return
        # A few chunks ahead of the writer, so that memory stays bounded.
        waiting: deque[Future[Decoded]] = deque()
        try:
            for chunk in chunks:
                with _without_main():
                    waiting.append(self._pool.submit(_decode, chunk))
                if len(waiting) > 2 * self._workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise UserError(
                "a process that decodes died, most likely for want of memory: set data.workers to fewer; what is "
                "prepared so far is kept"
            ) from error


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep the processes that a task starts from running this one's script, which may have no guard against it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


_job: tuple[Source, Pixels] | None = None


def _begin(source: Source, pixels: Pixels) -> None:
    global _job
    _job = source, pixels
    # Ctrl-C is the parent's to handle; its death, even by kill -9, is this process's end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _decode(keys: list[str]) -> Decoded:
    assert _job is not None
    return decode_records(*_job, keys)
