"""Ctrl-C: answered in one line, also while Python still imports what a command needs."""

import os
import signal
import sys
from types import FrameType


def answer_at_once() -> None:
    """From now on end the process on Ctrl-C, with one line and status 130, whatever it imports.

    A `KeyboardInterrupt` in the middle of an import would come with a trace, or be swallowed by a library that takes it
    for a missing module. Where the parent ignores SIGINT, as a shell does for what runs in the background, so do we.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def answer_by_exception() -> None:
    """From now on raise `KeyboardInterrupt`, so that whoever works can end well."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> None:
    # The text is written past Python's buffers, in which whoever was interrupted may be.
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, b"genbench: interrupted\n")
    os._exit(128 + number)
