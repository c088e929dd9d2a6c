"""`scores.json`: the scores of a run, or of somebody's samples, each with its protocol.

The scores that were made last stand at the top, as they do alone in files of earlier versions; those of other
checkpoints and under other protocols stand beside them, in `others`, the newest first.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from genbench.errors import UserError
from genbench.files import read_json, set_aside, write_json

Row = dict[str, Any]
"""Scores: `values` and `protocol`, with `checkpoint`, `step`, `real_test_images` and other facts."""


def read_scores(path: Path) -> list[Row]:
    """Return the scores of a file, the newest first; none if there is no file.

    Raises:
        UserError: it can't be read or holds no scores, as when its writing was cut off.
    """
    return _read(path, _is_scores)


def read_comparisons(path: Path) -> list[Row]:
    """Return the comparisons of a file as `read_scores` does scores."""
    return _read(path, _is_comparison)


def add_scores(path: Path, row: Row) -> None:
    """Write scores into a file, beside those that are there.

    Scores of the same checkpoint under the same protocol take the place of the old ones, or join them if others of them
    were asked for. A file that can't be read is kept under another name, with a warning.

    Raises:
        OSError: it can't be written.
    """
    _add(path, row, _is_scores, _joined)


def add_comparison(path: Path, row: Row) -> None:
    """Write a comparison of two runs as `add_scores` writes scores, in place of an older one of the same two.

    Raises:
        OSError: it can't be written.
    """

    def key(row: Row) -> tuple[Any, ...]:
        return row["first"], row["second"], *(_lasting(row.get(name, {})) for name in ("protocol", "second_protocol"))

    _add(path, row, _is_comparison, lambda row, old: [row, *(other for other in old if key(other) != key(row))])


def is_same_protocol(one: Row, other: Row) -> bool:
    """Whether two scores are of one checkpoint at one step under one protocol, by whatever versions of the software."""
    return _key(one) == _key(other)


def _joined(row: Row, old: list[Row]) -> list[Row]:
    kept = []
    for other in old:
        if not is_same_protocol(row, other):
            kept.append(other)
        elif row["protocol"].get("versions") == other["protocol"].get("versions"):
            row = row | {"values": other["values"] | row["values"]}
            if ends := other.get("better", {}) | row.get("better", {}):
                row["better"] = ends
            if row.get("real_test_images") and other.get("real_test_images"):
                real, before = row["real_test_images"], other["real_test_images"]
                row["real_test_images"] = real | {"values": before["values"] | real["values"]}
        elif not other["values"].keys() <= row["values"].keys():
            # By another version, and not all of it was made anew.
            kept.append(other)
    return [row, *kept]


def _key(row: Row) -> Row:
    return {"protocol": _lasting(row["protocol"])} | {name: row.get(name) for name in ("checkpoint", "step", "images")}


def _lasting(protocol: Row) -> Row:
    return {name: value for name, value in protocol.items() if name != "versions"}


def _read(path: Path, is_row: Callable[[Any], bool]) -> list[Row]:
    what = "scores" if is_row is _is_scores else "comparisons"
    if not path.is_file():
        return []
    newest = read_json(path)
    others = newest.pop("others", [])
    rows = [newest, *others] if isinstance(others, list) else []
    if not rows or not all(map(is_row, rows)):
        raise UserError(f"{path} can't be read: it holds no {what}")
    return rows


def _add(path: Path, row: Row, is_row: Callable[[Any], bool], join: Callable[[Row, list[Row]], list[Row]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.parent):
        try:
            old = _read(path, is_row)
        except UserError as error:
            set_aside(path, error)
            old = []
        newest, *others = join(row, old)
        write_json(newest | ({"others": others} if others else {}), path)


def _is_comparison(row: Any) -> bool:
    return isinstance(row, dict) and all(
        isinstance(row.get(name), kind)
        for name, kind in (("first", str), ("second", str), ("scores", dict), ("protocol", dict))
    )


def _is_scores(row: Any) -> bool:
    if not isinstance(row, dict):
        return False
    real = row.get("real_test_images")
    ends = row.get("better", {})
    if not isinstance(ends, dict) or not all(end in ("lower", "higher") for end in ends.values()):
        return False
    return all(
        isinstance(part.get("protocol"), dict)
        and isinstance(part.get("values"), dict)
        and all(isinstance(value, int | float) for value in part["values"].values())
        for part in (row, *([real] if isinstance(real, dict) else []))
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a folder against other processes of this machine: two evaluations that end together lose none."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Where the file system has no locks the file is written whole all the same.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
