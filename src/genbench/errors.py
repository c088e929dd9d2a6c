"""Errors that the person at the terminal can mend: one clear message, no traceback."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user asked for can't be had; the message names it and the remedy.

    `python -m genbench` prints the message and exits with `exit_status`.
    """

    exit_status = 2


class SweepError(UserError):
    """Some runs of a sweep failed; each has said why."""

    exit_status = 1


class TrainingError(UserError):
    """A training ended before its last step. What was asked for was valid, so the status is 1, not 2."""

    exit_status = 1


class DivergenceError(TrainingError):
    """A loss or a weight is no longer finite."""


class StoppedError(TrainingError):
    """A signal ended a training, which can go on.

    Args:
        message: where it stands and how it goes on.
        number: the signal; the status is 128 and it, as shells have it.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_status = 128 + number


class EarlyEndError(TrainingError):
    """A limit of the trainer, such as its time, ended a training, which can go on."""


def like(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean ...?" for names like a misspelt one, or nothing where none is like it."""
    close = difflib.get_close_matches(word, list(known), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def near(word: str, known: Iterable[str], most: int | None = None) -> str:
    """Return "; did you mean ...?" for names like a misspelt one, or all names where none is like it.

    Args:
        word: the misspelt name.
        known: the names that there are.
        most: of more names than these the first ones are given, and how many there are; None for all.
    """
    known = list(known)
    if said := like(word, known):
        return said
    if most is not None and len(known) > most:
        return f"; there are {len(known):,}, such as {', '.join(known[:most])}"
    return f"; there is {', '.join(sorted(known))}" if known else ""


_UNSAFE_ADVICE = ("weights_only", "weights only", "allow_pickle", "pickle")
"""In what torch and numpy advise where a file holds more than numbers: to load it in a way that runs its code."""


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or its kind if it says nothing.

    Advice to load a file without care is left out.
    """
    said = str(error).strip()
    if any(word in said.lower() for word in _UNSAFE_ADVICE):
        return "it is not in the expected format, or holds more than numbers"
    return next(iter(said.splitlines()), type(error).__name__)
