"""One session at a time in a run folder."""

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import SoftFileLease, Timeout

from genbench.errors import UserError

_LEASE = 60.0
"""Seconds without a sign of life after which a session of another machine counts as gone."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run folder for this process.

    The lock is a file that names its process and host, as file systems that a cluster shares keep files in order but
    often not a kernel's locks. Of a session whose process has ended on this machine it is taken over at once; one of
    another machine must show no sign of life for a minute, which is waited for.

    Raises:
        UserError: another session holds it, and the message names its process and host; or it can't be written to.
    """
    file = folder / ".lock"
    lease = SoftFileLease(file, lease_duration=_LEASE)
    try:
        lease.acquire(timeout=0)
    except Timeout:
        host = lease.owner.hostname.partition("?")[0] if lease.owner else "another host"
        if host == socket.gethostname() or not _outlives(lease, folder, host):
            holder = f"process {lease.owner.pid} on {host}" if lease.owner else "another process"
            raise UserError(
                f"{folder} is in use: {holder} is training in it; wait for it to end or stop it (if you know that it "
                f"is gone, delete {file})"
            ) from None
    except OSError as error:
        raise UserError(f"{folder} can't be written to: {error.strerror}") from error
    try:
        yield
    finally:
        lease.release()


def is_held(folder: Path) -> bool:
    """Whether a session trains in a run folder, by the sign of life that it gives every third of a lease."""
    try:
        return time.time() - (folder / ".lock").stat().st_mtime < _LEASE
    except OSError:
        return False


def _outlives(lease: SoftFileLease, folder: Path, host: str) -> bool:
    print(f"genbench: {folder} is held from {host}: waiting whether that session lives", file=sys.stderr, flush=True)
    try:
        lease.acquire(timeout=1.5 * _LEASE)
    except Timeout:
        return False
    return True
