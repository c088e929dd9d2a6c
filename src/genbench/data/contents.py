"""What tells the content of files from all others: never their path, never their time stamps."""

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
"""Bytes whose reading takes long enough to be announced."""


def hash_files(folder: Path, names: Sequence[str], cache: Path | None = None) -> str:
    """Return the SHA-256 of files by their names and contents; a file that can't be read counts as such.

    Reading a large folder takes minutes, so the result is kept in `cache` for as long as no file's size or time of
    change differs. The kernel moves the time of the last change of status (ctime) at every write and nobody can set
    it, so a file that was replaced by one of the same size and with the old time stamp is seen.

    Args:
        folder: where the files are.
        names: their paths within the folder, in the order that matters.
        cache: folder in which results are kept; None to read the files.
    """
    stats = [_stat(folder / name) for name in names]
    rows = ([name, *stat] for name, stat in zip(names, stats, strict=True))
    state = digest([[str(folder.resolve())], *rows])
    kept = None if cache is None else cache / f"{state[:32]}.json"
    if kept is not None and (known := _known(kept)) is not None:
        return known
    size = sum(stat[0] for stat in stats if stat)
    if size > _LARGE:
        say(f"{folder}: reading {human_bytes(size)} in {len(names):,} files, once, to know these images again")
    with ThreadPoolExecutor(_THREADS) as pool:
        hashes = pool.map(lambda name: _hash(folder / name), names)
        found = digest([name, sha256] for name, sha256 in zip(names, hashes, strict=True))
    if kept is not None:
        # Where nothing can be kept the files are read again the next time.
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
