"""Errors that the person at the terminal can mend: one clear message, no traceback."""


class UserError(Exception):
    """Something the user asked for can't be had; the message names it and the remedy.

    `python -m genbench` prints the message and exits with `exit_status`.
    """

    exit_status = 2


class SweepError(UserError):
    """Some runs of a sweep failed; each has said why."""

    exit_status = 1


class DivergenceError(UserError):
    """A loss or a weight is no longer finite. The configuration was valid, so the status is 1, not 2."""

    exit_status = 1
