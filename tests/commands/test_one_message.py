"""Whatever a verb raises is one line for a person: nothing is swallowed, and no trace is shown where it can be kept."""

import errno
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from genbench import commands
from genbench.__main__ import main
from genbench.errors import UserError, first_line

Fail = Callable[[BaseException], None]


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Return a function that makes every verb raise an error when it begins."""

    def set_error(error: BaseException) -> None:
        def work(*arguments: object) -> None:
            raise error

        monkeypatch.setattr(commands, "load", lambda verb: work)

    return set_error


VERBS = [["train"], ["prepare", "data=digits"], ["report"], ["dashboard", "entity=me"]]


@pytest.mark.parametrize("verb", VERBS, ids=lambda words: words[0])
def test_an_unforeseen_error_is_one_line_and_its_trace_a_file(
    verb: list[str], fail: Fail, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(ZeroDivisionError("nobody thought of this\nand not of that"))
    assert main(verb) == 1
    said = capsys.readouterr().err.strip().splitlines()
    file = Path.cwd() / "error.txt"
    assert len(said) == 1
    assert said[0].startswith("genbench: stopped by ZeroDivisionError: nobody thought of this (")
    assert str(file) in said[0]
    assert "and not of that" in file.read_text()
    assert "Traceback" in file.read_text()


@pytest.mark.parametrize("verb", VERBS, ids=lambda words: words[0])
def test_a_place_that_can_not_be_used_is_named(verb: list[str], fail: Fail, capsys: pytest.CaptureFixture[str]) -> None:
    fail(PermissionError(errno.EACCES, "Permission denied", "/some/place"))
    assert main(verb) == 2
    assert capsys.readouterr().err == "genbench: /some/place can't be used: Permission denied\n"
    assert not list(Path.cwd().iterdir())


def test_ctrl_c_is_one_line(fail: Fail, capsys: pytest.CaptureFixture[str]) -> None:
    fail(KeyboardInterrupt())
    assert main(["report"]) == 128 + signal.SIGINT
    assert capsys.readouterr().err == "genbench: interrupted\n"


def test_what_one_can_mend_has_its_status(fail: Fail, capsys: pytest.CaptureFixture[str]) -> None:
    fail(UserError("do this"))
    assert main(["report"]) == 2
    assert capsys.readouterr().err == "genbench: do this\n"


def test_advice_to_load_a_file_without_care_is_never_handed_on(tmp_path: Path) -> None:
    torch.save({"x": Path("/")}, tmp_path / "x.ckpt")
    with pytest.raises(Exception, match="weights_only") as refused_by_torch:
        torch.load(tmp_path / "x.ckpt", weights_only=True)
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle") as refused_by_numpy:
        np.load(tmp_path / "x.npy", allow_pickle=False)
    for refused in (refused_by_torch, refused_by_numpy):
        assert first_line(refused.value) == "it is not in the expected format, or holds more than numbers"


def test_advice_of_numpy_does_not_reach_who_scores_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert main(["evaluate", f"images={tmp_path / 'x.npy'}", "data=digits", "metrics=digits", "device=cpu"]) == 2
    said = capsys.readouterr().err
    assert "pickle" not in said
    assert "holds more than numbers" in said
