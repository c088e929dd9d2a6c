"""Files that are written whole or not at all, and how lines and JSON are read from them."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from genbench.errors import UserError


@contextmanager
def written_whole(path: Path, *, shared: bool = False, previous: Path | None = None) -> Iterator[Path]:
    """Yield a name beside `path` to write to; when the context ends well, that file takes the place of `path`.

    Whatever happens, `path` is the old file or the whole new one. A failed writing leaves nothing behind; a process
    that was killed leaves a `.part`, which the next writing of the same file replaces.

    Args:
        path: the file.
        shared: whether several processes may write it at the same time, the last to end winning.
        previous: a second name, in the same folder, under which the old file stays; None to replace it.

    Raises:
        OSError: the disk is full, or the folder can't be written to.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}.part" if shared else f"{path.name}.part")
    try:
        yield beside
        flush(beside)
        if previous is not None and path.is_file():
            keep_as(path, previous)
        os.replace(beside, path)
    except BaseException as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            # What a write says names no file.
            error.filename = str(path)
        raise
    flush(path.parent)


def keep_as(path: Path, previous: Path) -> None:
    """Give a file a second name, in place of what had that name, so that it is never without its first.

    Where the file system knows no links, the file is renamed.

    Raises:
        OSError: the folder can't be written to.
    """
    beside = previous.with_name(f"{previous.name}.part")
    beside.unlink(missing_ok=True)
    try:
        os.link(path, beside)
    except OSError:
        os.replace(path, previous)
        return
    os.replace(beside, previous)
    # Renaming does nothing when both names are of one file already, as after a kill between this and what follows.
    beside.unlink(missing_ok=True)


def write_json(content: Any, path: Path) -> None:
    """Write JSON, whole.

    Raises:
        OSError: it can't be written.
    """
    with written_whole(path) as beside:
        beside.write_text(json.dumps(content, indent=2) + "\n")


def split_lines(text: str) -> list[str]:
    """Return the lines of a text, which end with \\n or \\r\\n.

    `str.splitlines` also divides at characters such as U+2028, which are part of a caption.
    """
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file in UTF-8, with or without a byte order mark.

    Raises:
        OSError: it can't be read.
        UnicodeDecodeError: it is no UTF-8.
    """
    return split_lines(path.read_bytes().decode("utf-8-sig"))


def parse_json(text: str) -> Any:
    """Return what JSON means.

    Raises:
        ValueError: it is none, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object that a file holds.

    Raises:
        UserError: it can't be read, or holds something else.
    """
    try:
        content = parse_json(path.read_text())
        if not isinstance(content, dict):
            raise ValueError("it is no object")
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read: {error}") from error
    return content


def read_json_list(path: Path) -> list[dict[str, Any]]:
    """Return the list of JSON objects that a file holds.

    Raises:
        UserError: it can't be read, or holds something else.
    """
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
        if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
            raise ValueError("it is no list of objects")
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read: {error}") from error
    return content


def set_aside(path: Path, why: object) -> None:
    """Give a damaged file another name, so that a new one can be written, and say so.

    Raises:
        OSError: the folder can't be written to.
    """
    names = (path.with_name(f"{path.stem}.damaged{number or ''}{path.suffix}") for number in range(1000))
    aside = next(name for name in names if not name.exists())
    os.replace(path, aside)
    print(f"genbench: warning: {why}; it is kept as {aside}", file=sys.stderr, flush=True)


def leads_out(name: str) -> bool:
    """Whether a relative name, in the manner of any system, leads out of the folder that it is meant for."""
    return any(path.is_absolute() or ".." in path.parts for path in (PurePosixPath(name), PureWindowsPath(name)))


def nearest_folder(path: Path) -> Path:
    """Return a path, or the nearest folder above it that is there."""
    return next((one for one in (path, *path.parents) if one.is_dir()), Path(path.anchor))


def check_is_new(folder: Path, key: str) -> None:
    """Make sure that a folder is not there yet, or is empty.

    Args:
        folder: where something is to be written.
        key: the setting that names it, for the message.

    Raises:
        UserError: something is there.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{key}={folder} is there already: choose another {key}=FOLDER")


def check_can_write(folder: Path, key: str) -> None:
    """Make sure that files can be written into a folder, which need not exist yet; nothing is left behind.

    Args:
        folder: where something is to be written.
        key: the setting that names it, for the message.

    Raises:
        UserError: it is not a folder, is read-only, or is in a place where none can be made.
    """
    there = folder
    try:
        there = next(place for place in (folder, *folder.absolute().parents) if os.path.lexists(place))
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise UserError(f"{key}={folder} can't be written: {there}: {error.strerror}") from error


def flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, have reached the disk.

    Else a machine that loses power may have given a new name to bytes that never arrived.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
