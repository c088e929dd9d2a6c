"""Weights that are used where they already lie on this machine, and never downloaded."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from genbench.errors import UserError, first_line

_T = TypeVar("_T")


def must_exist(path: Path, owner: str) -> Path:
    """Return a path that is there.

    Args:
        path: a file or a folder.
        owner: whose weights they are, for the message.

    Raises:
        UserError: it is not there.
    """
    if not path.exists():
        raise UserError(
            f"{path} is not there: put the published weights of {owner} there; GenBench uses existing files and will "
            "download none of them"
        )
    return path


def read_weights(path: Path, read: Callable[[], _T]) -> _T:
    """Return what `read` makes of a file of weights.

    Raises:
        UserError: the file is not what it expects.
    """
    try:
        return read()
    except Exception as error:  # torch has no one error for a file that is no checkpoint
        raise UserError(f"{path} can't be read as weights: {first_line(error)}") from error
