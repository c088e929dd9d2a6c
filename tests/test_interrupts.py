"""Ctrl-C before a verb has begun: one line and status 130, unless the parent wants it ignored."""

import signal
import subprocess
import sys

import pytest

PRESS = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"


def run(code: str, handler: signal.Handlers) -> subprocess.CompletedProcess[str]:
    # Whatever the tests' own parent does with SIGINT, this child begins as said.
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, handler),
    )  # fmt: skip


@pytest.mark.parametrize("around", ["{}", "try:\n {}\nexcept BaseException:\n pass"])
def test_ctrl_c_while_python_imports_ends_in_one_line(around: str) -> None:
    code = "from genbench import interrupts\ninterrupts.answer_at_once()\n" + around.format(PRESS)
    result = run(code, signal.SIG_DFL)
    assert (result.returncode, result.stderr, result.stdout) == (130, "genbench: interrupted\n", "")


def test_a_verb_that_has_begun_may_end_well() -> None:
    code = (
        "from genbench import interrupts\ninterrupts.answer_at_once()\ninterrupts.answer_by_exception()\n"
        f"try:\n {PRESS}\n import time; time.sleep(9)\nexcept KeyboardInterrupt:\n print('ended well')"
    )
    assert run(code, signal.SIG_DFL).stdout == "ended well\n"


def test_what_the_parent_ignores_stays_ignored() -> None:
    code = f"from genbench import interrupts\ninterrupts.answer_at_once()\n{PRESS}\nprint('went on')"
    result = run(code, signal.SIG_IGN)
    assert (result.returncode, result.stdout) == (0, "went on\n")
