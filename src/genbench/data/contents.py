"""Identification of files by their content, never by their path or time stamps."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from genbench.data.prepare_progress import human_bytes, say
from genbench.errors import UserError
from genbench.files import read_json, written_whole

_THREADS = 8
_LARGE = 1 << 30
"""Bytes that take long enough to read to be announced."""


def hash_files(folder: Path, names: Sequence[str], cache: Path | None = None) -> str:
    """Return the SHA-256 of files by their names and contents; an unreadable file is hashed as unreadable.

    Reading a large folder takes minutes, so the result is cached in `cache` as long as no file's size or ctime changes.
    The kernel updates the ctime at every write and it can't be set, so a file replaced by one of the same size with the
    old modification time is detected.

    Args:
        folder: where the files are.
        names: their paths within the folder; the order matters.
        cache: folder of cached results; None to read the files.
    """
    stats = [_stat(folder / name) for name in names]
    rows = ([name, *stat] for name, stat in zip(names, stats, strict=True))
    state = digest([[str(folder.resolve())], *rows])
    kept = None if cache is None else cache / f"{state[:32]}.json"
    if kept is not None and (known := _known(kept)) is not None:
        return known
    size = sum(stat[0] for stat in stats if stat)
    if size > _LARGE:
        say(f"{folder}: reading {human_bytes(size)} in {len(names):,} files, once, to identify these images")
    with ThreadPoolExecutor(_THREADS) as pool:
        hashes = pool.map(lambda name: _hash(folder / name), names)
        found = digest([name, sha256] for name, sha256 in zip(names, hashes, strict=True))
    if kept is not None:
        # If the cache can't be written, the files are read again the next time.
        with suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(kept, shared=True) as beside:
                beside.write_text(json.dumps({"folder": str(folder), "sha256": found}) + "\n")
    return found


def digest(rows: Iterable[Any]) -> str:
    """Return the SHA-256 of rows of texts and numbers."""
    sha256 = hashlib.sha256()
    for row in rows:
        sha256.update(json.dumps(row, sort_keys=True).encode() + b"\n")
    return sha256.hexdigest()


def _stat(path: Path) -> tuple[int, int, int] | tuple[()]:
    try:
        stat = path.stat()
    except OSError:
        return ()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _hash(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _known(path: Path) -> str | None:
    try:
        return str(read_json(path)["sha256"])
    except (UserError, KeyError):
        return None
