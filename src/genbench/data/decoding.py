"""Decode records in several processes, in order, a chunk at a time.

The processes are spawned, not forked, so that no lock or thread is copied into them; they end with this one, however it
ends.
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
"""Records decoded, written and journalled together."""


class Pixels(Protocol):
    """A function from encoded bytes to pixels, such as a `Preparation`."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of its results."""

    def __call__(self, content: bytes) -> np.ndarray:
        """Return uint8 (H, W, C).

        Raises:
            ValueError, OSError: the bytes are not a complete image.
        """


class Decoded(NamedTuple):
    """Decoded records.

    Attributes:
        images: uint8 (n, H, W, C), of the readable records.
        keys: of all records.
        broken: (key, reason) of the unreadable records.
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
    """A pool of decoding processes.

    Args:
        source: of the records.
        pixels: converts them to pixels.
        workers: processes; with 1, decoding runs in this one.
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
        """Yield the decoded records of each chunk of keys, in order.

        Raises:
            UserError: a process died.
        """
        if self._pool is None:
            yield from (decode_records(self._source, self._pixels, chunk) for chunk in chunks)
            return
        # Only a few chunks ahead of the writer, so that memory stays bounded.
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
                "a decoding process died, most likely out of memory: set data.workers to fewer; what is prepared so "
                "far is kept"
            ) from error


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep spawned processes from running this one's main script, which may lack a `__main__` guard."""
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
    # The parent handles Ctrl-C; if it dies, even by kill -9, this process ends too.
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
