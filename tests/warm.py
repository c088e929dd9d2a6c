"""Processes that begin with what they would import first: most of a short command's time.

A server is started once, imports what GenBench needs and does nothing else; each process is a fork of it, with an
environment, a folder, standard streams and a session of its own. What is under test is the same as in a fresh
interpreter, but for the imports: what is about these takes `subprocess`.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_PRELOADED = [
    "genbench.commands.train",
    "genbench.commands.sample",
    "genbench.commands.evaluate",
    "genbench.methods.adversarial.base",
    "genbench.methods.denoising.base",
    "genbench.data.digits",
    "sklearn.datasets",
    "torchvision",
]


def start_server() -> None:
    """Start the server with this process's environment, if it does not run yet."""
    _CONTEXT.set_forkserver_preload(_PRELOADED)
    forkserver.ensure_running()


class WarmProcess:
    """A running `python -m MODULE` or `python SCRIPT`, used like a `subprocess.Popen` whose streams are captured.

    Args:
        command: the words after `python`: "-m", a module and its arguments, or a script and its arguments.
        cwd: working folder; this process's if None.
        env: environment; this process's if None.

    Attributes:
        pid: of the process, which leads a session of its own.
    """

    def __init__(
        self, command: Sequence[object], cwd: str | Path | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        start_server()
        self.args = [str(word) for word in command]
        self._folder = tempfile.TemporaryDirectory()
        self._streams = [os.path.join(self._folder.name, name) for name in ("stdout", "stderr")]
        environment = dict(os.environ if env is None else env)
        arguments = (self.args, str(cwd or Path.cwd()), environment, self._streams)
        self._process = _CONTEXT.Process(target=_become, args=arguments)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, minus the signal that killed it, or None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            TimeoutExpired: it still runs.
        """
        self._process.join(timeout)
        if self.returncode is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end and return what it wrote."""
        self.wait(timeout)
        output, errors = (Path(path).read_text() if os.path.exists(path) else "" for path in self._streams)
        return output, errors

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, and what it started."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)


def run_warm(
    command: Sequence[object],
    *,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 300,
) -> "subprocess.CompletedProcess[str]":
    """Run a command as `subprocess.run` does, its streams captured and its input empty."""
    process = WarmProcess(command, cwd, env)
    try:
        output, errors = process.communicate(timeout)
    finally:
        process.kill()
    status = process.returncode
    assert status is not None
    return subprocess.CompletedProcess(process.args, status, output, errors)


def start_together(
    command: Sequence[object], count: int, port: int, cwd: str | Path | None = None
) -> list[WarmProcess]:
    """Start `count` processes of one run, each with the environment that torchrun gives it."""
    shared = {
        "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "together",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    return [
        WarmProcess(command, cwd, {**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(count)
    ]


def run_together(command: Sequence[object], count: int, port: int, cwd: str | Path | None = None) -> None:
    """Run `count` processes of one run to their end, which must be a good one; see `start_together`."""
    together = start_together(command, count, port, cwd)
    try:
        for process in together:
            output, errors = process.communicate(timeout=300)
            assert process.returncode == 0, output + errors
    finally:
        for process in together:
            process.kill()


def start_warm(*words: str) -> WarmProcess:
    """Start a command of GenBench."""
    return WarmProcess(["-m", "genbench", *words])


def _become(command: list[str], cwd: str, environment: dict[str, str], streams: list[str]) -> None:
    """Be, in a fork of the server, the process of a command."""
    os.setsid()
    # Whoever runs the tests in the background has it ignored, and so would all that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for number, path in enumerate([os.devnull, *streams]):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, number)
        os.close(opened)
    # multiprocessing takes the server's away.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    import torch
    from lightning.fabric.utilities.rank_zero import _get_rank, rank_zero_only

    # The server has read both from its own environment.
    torch.set_num_threads(int(environment.get("OMP_NUM_THREADS", "1")))
    rank_zero_only.rank = _get_rank() or 0
    try:
        if command[0] == "-m":
            sys.argv = command[1:]
            sys.path.insert(0, cwd)
            runpy.run_module(command[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = command
            sys.path.insert(0, str(Path(command[0]).parent))
            runpy.run_path(command[0], run_name="__main__")
    finally:
        # multiprocessing leaves them out, and who finishes a file there would not.
        atexit._run_exitfuncs()
