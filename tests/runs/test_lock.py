"""One session at a time in a run folder, in this process; `test_nothing_lost` has two."""

import os
import socket
import time
from pathlib import Path

import pytest
from filelock import SoftFileLease, Timeout

from genbench.errors import UserError
from genbench.runs.lock import is_held, locked


def hold(folder: Path, host: str) -> SoftFileLease:
    """Have a session of a host hold a folder."""
    lease = SoftFileLease(folder / ".lock", lease_duration=60.0)
    lease.acquire(timeout=0)
    record = (folder / ".lock").read_text()
    assert socket.gethostname() in record
    (folder / ".lock").write_text(record.replace(socket.gethostname(), host))
    return lease


def test_a_folder_is_held_while_it_is_locked(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    with locked(tmp_path):
        assert is_held(tmp_path)
        long_ago = time.time() - 61
        os.utime(tmp_path / ".lock", (long_ago, long_ago))
        assert not is_held(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError), locked(tmp_path):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_another_session_of_this_host_is_named_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lease = hold(tmp_path, socket.gethostname())
    message = f"^{tmp_path} is in use: process {os.getpid()} on {socket.gethostname()} is training in it; .* delete "
    with pytest.raises(UserError, match=message), locked(tmp_path):
        pass
    assert capsys.readouterr().err == ""
    lease.release()


@pytest.mark.parametrize("lives", [True, False])
def test_of_a_session_of_another_host_a_sign_of_life_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, lives: bool
) -> None:
    lease = hold(tmp_path, "elsewhere")
    waited: list[float] = []

    def acquire(self: SoftFileLease, timeout: float) -> None:
        waited.append(timeout)
        if lives or timeout == 0:
            raise Timeout(str(tmp_path / ".lock"))

    monkeypatch.setattr(SoftFileLease, "acquire", acquire)
    if lives:
        message = f"is in use: process {os.getpid()} on elsewhere is training"
        with pytest.raises(UserError, match=message), locked(tmp_path):
            pass
    else:
        with locked(tmp_path):
            pass
    # A minute without one, and some time to see it.
    assert waited == [0, 90]
    assert f"{tmp_path} is held from elsewhere: waiting" in capsys.readouterr().err
    lease.release()


def test_a_lock_that_names_nobody_is_one_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".lock").write_text("no record")

    def acquire(self: SoftFileLease, timeout: float) -> None:
        raise Timeout(str(tmp_path / ".lock"))

    monkeypatch.setattr(SoftFileLease, "acquire", acquire)
    with pytest.raises(UserError, match="is in use: another process is training in it"), locked(tmp_path):
        pass


def test_what_cant_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match=r"file can't be written to: (Not a directory|File exists)"),
        locked(tmp_path / "file"),
    ):
        pass
