"""Prepare a split once: decode in parallel, write shards, survive being killed at any moment.

The work is done in `<store>.partial`, with a journal of what is safely on disk; at the end the folder is renamed, so a
store under its final name is complete. A lock, which the kernel releases when its holder dies, lets one process work
while others wait for the result.
"""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import PIL
from filelock import FileLock, Timeout

import genbench
from genbench.data.decoding import CHUNK, Decoder, Pixels, decode_records
from genbench.data.prepare_progress import Progress, human_bytes, say
from genbench.data.shards import CONDITIONS, FORMAT, HEADER_BYTES, MANIFEST, images_per_shard, shard_name
from genbench.data.sources import Origin, Source
from genbench.errors import UserError
from genbench.files import flush, parse_json, write_json
from genbench.wording import duration

OnError = Literal["stop", "skip"]
_JOURNAL = "journal.json"
_SPARE_BYTES = 64 << 20


@dataclass
class Journal:
    """What is safely on disk of an unfinished store."""

    records: int = 0
    images: int = 0
    skipped: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """A split to be prepared.

    Attributes:
        origin: where the encoded images come from.
        pixels: decodes bytes to an image (H, W, C).
        store: the folder to create.
        request: facts for the manifest: name, split, preparation and source.
        conditions: rows for all records in their order, or None.
        workers: decoding processes.
        on_error: whether an unreadable record ends the work or is left out and listed.
    """

    origin: Origin
    pixels: Pixels
    store: Path
    request: dict[str, Any]
    conditions: np.ndarray | None
    workers: int
    on_error: OnError


def prepare(plan: Plan) -> None:
    """Create the store, resume it, or wait for the process that is creating it.

    Raises:
        UserError: a record can't be read, the disk is too small or can't be written to.
    """
    if plan.store.is_dir():
        # Left behind by a process that was killed between its last two actions.
        shutil.rmtree(_unpacked(plan.store), ignore_errors=True)
        return
    try:
        plan.store.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(plan.store.with_name(f".{plan.store.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"{plan.store} is being prepared by another process: waiting for it")
            lock.acquire()
        with lock:
            if not plan.store.is_dir():
                _work(plan)
    except OSError as error:
        raise UserError(f"{plan.store} can't be written ({error}): set data.prepared to a folder that can") from error


def _work(plan: Plan) -> None:
    partial = plan.store.with_suffix(".partial")
    unpacked = _unpacked(plan.store)
    begin = time.perf_counter()
    _check_disk(plan.store, 0 if unpacked.is_dir() else plan.origin.packed_bytes, f"unpacking {plan.origin.path}")
    source = plan.origin.unpack(unpacked)
    if len(source) == 0:
        raise UserError(f"{source.path} holds no images")
    writer = Writer(partial, plan.pixels.shape)
    _announce(plan, source, writer.journal)
    chunks = _chunks(source, writer.journal.records)
    progress = Progress(f"{plan.request['name']} {plan.request['split']}", len(source), writer.journal.records)
    with Decoder(source, plan.pixels, plan.workers) as decoder, progress:
        for decoded in decoder.map(chunks):
            if decoded.broken and plan.on_error == "stop":
                if not writer.journal.records:
                    shutil.rmtree(partial)
                key, reason = decoded.broken[0]
                raise UserError(
                    f"{key} of {plan.origin.path} can't be read: {reason}; "
                    "mend it, or set data.on_error=skip to leave such records out and list them"
                )
            writer.append(decoded.images, decoded.keys, decoded.broken)
            progress.advance(len(decoded.keys))
    if writer.journal.records != len(source):
        raise UserError(f"{source.path} counts {len(source):,} records, not {writer.journal.records:,}: copy again")
    writer.finish(plan, seconds=time.perf_counter() - begin)
    partial.rename(plan.store)
    flush(plan.store.parent)
    shutil.rmtree(unpacked, ignore_errors=True)
    if count := len(writer.journal.skipped):
        say(f"{count:,} records were left out, listed in {plan.store / MANIFEST}")


def _unpacked(store: Path) -> Path:
    return store.with_suffix(".unpacked")


def _chunks(source: Source, done: int) -> Iterator[list[str]]:
    keys = islice(source.list_keys(), done, None)
    while chunk := list(islice(keys, CHUNK)):
        yield chunk


def _announce(plan: Plan, source: Source, journal: Journal) -> None:
    """Announce the work, its size and its estimated duration; raise an error if the disk is too small."""
    count, image_bytes = len(source), int(np.prod(plan.pixels.shape))
    to_write = (count - journal.images) * image_bytes
    _check_disk(plan.store, to_write, f"preparing {count:,} images of {plan.origin.path}")
    begin = time.perf_counter()
    trial = decode_records(source, plan.pixels, next(_chunks(source, 0))[:32])
    seconds = (time.perf_counter() - begin) / len(trial.keys) * (count - journal.records) / plan.workers
    went_on = f", going on after {journal.records:,}" if journal.records else ""
    say(
        f"preparing {count:,} images of {plan.origin.path}{went_on}: {human_bytes(count * image_bytes)} in "
        f"{plan.store}, about {duration(seconds)} with {plan.workers} processes"
    )


def _check_disk(store: Path, needed: int, what: str) -> None:
    free = shutil.disk_usage(store.parent).free
    if needed and needed + _SPARE_BYTES > free:
        raise UserError(
            f"{what} takes {human_bytes(needed)}, and {store.parent} has {human_bytes(free)} free: make room, or set "
            "data.prepared to a folder on another disk"
        )


class Writer:
    """Write images (H, W, C) into shards, continuing where an earlier writer was killed.

    Args:
        folder: where to write.
        shape: (H, W, C).
    """

    def __init__(self, folder: Path, shape: tuple[int, int, int]) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._shape = shape
        self._image_bytes = int(np.prod(shape))
        self._capacity = images_per_shard(shape)
        self.journal = self._recover()

    def append(self, images: np.ndarray, keys: list[str], broken: list[tuple[str, str]]) -> None:
        """Write the images of consecutive records except the broken ones, and record it in the journal."""
        first = self.journal.records
        position = {key: first + index for index, key in enumerate(keys)}
        self.journal.skipped += [{"record": position[key], "key": key, "reason": reason} for key, reason in broken]
        while len(images):
            index, filled = divmod(self.journal.images, self._capacity)
            part, images = np.split(images, [min(len(images), self._capacity - filled)])
            with (self._folder / shard_name(index)).open("ab" if filled else "wb") as file:
                if not filled:
                    file.write(self._header(self._capacity))
                file.write(part.data)
                _flush(file)
            self.journal.images += len(part)
        self.journal.records += len(keys)
        write_json(asdict(self.journal), self._folder / _JOURNAL)

    def finish(self, plan: Plan, seconds: float) -> None:
        """Write the headers' final lengths, the conditions and, at last, the manifest."""
        count = self.journal.images
        if count == 0:
            raise UserError(f"no image of {plan.origin.path} can be read: {self.journal.skipped[0]['reason']}")
        if (rest := count % self._capacity) != 0:
            with (self._folder / shard_name(count // self._capacity)).open("r+b") as file:
                file.write(self._header(rest))
                _flush(file)
        if plan.conditions is not None:
            kept = np.delete(plan.conditions, [entry["record"] for entry in self.journal.skipped], axis=0)
            with (self._folder / CONDITIONS).open("wb") as file:
                np.save(file, kept, allow_pickle=False)
                _flush(file)
        manifest = {
            "format": FORMAT,
            **plan.request,
            "path": str(plan.origin.path.absolute()),
            "count": count,
            "image_shape": list(self._shape),
            "skipped": self.journal.skipped,
            "made_by": {"genbench": genbench.__version__, "pillow": PIL.__version__, "numpy": np.__version__},
            "seconds": round(seconds, 1),
        }
        write_json(manifest, self._folder / MANIFEST)
        (self._folder / _JOURNAL).unlink()

    def _recover(self) -> Journal:
        """Return the journal, after truncating what was written after its last entry."""
        try:
            journal = Journal(**parse_json((self._folder / _JOURNAL).read_text()))
            full, filled = divmod(journal.images, self._capacity)
            sizes = [self._capacity] * full + [filled] * (filled > 0)
            for index, images in enumerate(sizes):
                path, size = self._folder / shard_name(index), HEADER_BYTES + images * self._image_bytes
                if path.stat().st_size < size:
                    raise ValueError(f"{path} is shorter than the journal says")
                os.truncate(path, size)
            return journal
        except (OSError, ValueError, TypeError):
            # Never begun, killed before the first entry, or modified: start again from the first record.
            return Journal()

    def _header(self, count: int) -> bytes:
        description = {"descr": "|u1", "fortran_order": False, "shape": (count, *self._shape)}
        text = repr(description).ljust(HEADER_BYTES - 11) + "\n"
        return b"\x93NUMPY\x01\x00" + (HEADER_BYTES - 10).to_bytes(2, "little") + text.encode("latin-1")


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
