"""An error that nobody foresaw: one line for the person, the trace in a file for whoever mends it."""

import errno
import os
import sys
import traceback
from pathlib import Path

from genbench.errors import first_line

CANT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
"""A full disk, a quota, a limit on the size of files, a read-only place, one that is not ours."""


def explain(error: Exception) -> tuple[str, int]:
    """Return what is to be said, and the exit status: 2 where a place can't be read or written, else 1.

    The trace of all else goes into `error.txt` of the working directory.
    """
    if isinstance(error, OSError) and error.filename is not None and error.errno in (*CANT_WRITE, errno.ENOENT):
        return f"{error.filename} can't be used: {error.strerror}", 2
    return f"stopped by {describe(error)}. {keep_trace(error, Path.cwd())}".rstrip(), 1


def describe(error: BaseException) -> str:
    """Return the kind of an error, its first line, and the file and line that it comes from."""
    kind, said = type(error).__name__, first_line(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "at an unknown place"
    return f"{kind} ({place})" if said == kind else f"{kind}: {said} ({place})"


def keep_trace(error: BaseException, folder: Path) -> str:
    """Write the trace into `error.txt` of a folder and return a sentence that says so, with a blank behind it.

    Where it can't be written it goes to the terminal, and nothing is returned.
    """
    file = folder / "error.txt"
    try:
        file.write_text("".join(traceback.format_exception(error)))
    except OSError:
        # What is written here may be what failed: a full disk.
        if os.access(file, os.W_OK):
            file.unlink(missing_ok=True)
        traceback.print_exception(error, file=sys.stderr)
        return ""
    return f"The trace is in {file}. "
