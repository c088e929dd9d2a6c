"""Tests in a fork of this process, on a copy of the project in which one source may be changed.

Libraries are imported once, here; GenBench and its tests are imported anew by each fork, from the copy. So whatever a
change touches (constants, decorators, signatures, processes that a test starts) is what a user of the changed source
would get.
"""

import compileall
import contextlib
import gc
import importlib
import importlib.util
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.mutants.rooms import COPIED, ROOT, WORK

TREE = WORK / "tree"
"""The copy."""

LOG = WORK / "last.log"
"""What the last fork wrote."""

_MEMORY = 12 * 2**30
"""Bytes of data that a fork may allocate, so that a changed size does not take the machine down."""

_PRELOADED = ("genbench.commands.train", "genbench.commands.sample", "genbench.commands.evaluate", "torchvision")

_OURS = ("genbench", "tests")
_NOT_PRELOADED = (*_OURS, "__main__", "__mp_main__", "coverage", "torch._inductor")
"""The last starts processes of its own."""


@dataclass
class Ended:
    """What became of the tests."""

    status: str
    """"passed", "failed", "timed out" or "none": no test was found."""

    first_failed: str = ""
    """The first test that failed, or what happened before any did."""

    seconds: float = 0.0
    found: dict[str, Any] = field(default_factory=dict)
    """What the plugin found."""


class Chosen:
    """A pytest plugin that runs the chosen tests, in their order, and notes the first that fails.

    Args:
        tests: ids, and for how many seconds each may run before the process is killed.
    """

    def __init__(self, tests: Mapping[str, float]) -> None:
        self._limits = tests
        self._rank = {test: index for index, test in enumerate(tests)}
        self._first_failed = ""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if item.nodeid in self._rank]
        items[:] = sorted(chosen, key=lambda item: self._rank[item.nodeid])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        signal.setitimer(signal.ITIMER_REAL, self._limits[item.nodeid])
        result = yield
        signal.setitimer(signal.ITIMER_REAL, 0)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self._first_failed:
            self._first_failed = report.nodeid

    def found(self) -> dict[str, Any]:
        return {"first_failed": self._first_failed or "the import of its modules"}


class Nothing:
    """A pytest plugin that does nothing."""

    def found(self) -> dict[str, Any]:
        return {}


def prepare() -> None:
    """Copy the project and import the libraries."""
    shutil.rmtree(TREE, ignore_errors=True)
    TREE.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, TREE / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, TREE / name)
    compileall.compile_dir(TREE, quiet=1)
    for name in _PRELOADED:
        importlib.import_module(name)
    import torch

    torch.set_num_threads(1)
    _forget_ours()
    sys.path[:] = [str(TREE), str(TREE / "src"), *(path for path in sys.path if path not in ("", str(ROOT)))]
    os.environ["PYTHONPATH"] = f"{TREE}{os.pathsep}{TREE / 'src'}"


@contextlib.contextmanager
def changed(source: str, code: str) -> Any:
    """Have the copy of a source hold other code."""
    path = TREE / source
    original = path.read_text()
    # Within the same second and of the same size it would be taken for what was compiled before.
    Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
    path.write_text(code)
    try:
        yield
    finally:
        path.write_text(original)


def run_tests(tests: Mapping[str, float]) -> Ended:
    """Run tests in a fork, in their order up to the first that fails.

    Args:
        tests: their ids, and for how many seconds each may run before the fork is killed.
    """
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
    return fork([*files, "-x"], 60 + sum(tests.values()), lambda: Chosen(tests))


def fork(words: list[str], limit: float, plugin: Callable[[], Any]) -> Ended:
    """Run pytest in a fork.

    Args:
        words: of its command line.
        limit: seconds after which the fork is killed, with all that it started.
        plugin: makes a plugin, in the fork; what its `found()` returns is handed back.
    """
    begun = time.monotonic()
    place = Path(tempfile.mkdtemp(prefix="mutant-"))
    child = os.fork()
    if child == 0:
        _be_child(place, words, plugin)
    try:
        status = _wait(child, begun + limit)
    finally:
        _kill(child)
    result = _read(place / "ended.json")
    shutil.copy(place / "log", LOG)
    shutil.rmtree(place, ignore_errors=True)
    seconds = time.monotonic() - begun
    if status is None or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM):
        return Ended("timed out", "", seconds)
    if result is None:
        return Ended("failed", f"the process ended with status {status}", seconds)
    outcome = {0: "passed", 5: "none"}.get(result["code"], "failed")
    return Ended(outcome, result["found"].get("first_failed", ""), seconds, result["found"])


def _be_child(place: Path, words: list[str], make_plugin: Callable[[], Any]) -> None:
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
        for number, path in enumerate([os.devnull, place / "log", place / "log"]):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND), number)
        (place / "tmp").mkdir()
        tempfile.tempdir = os.environ["TMPDIR"] = str(place / "tmp")
        # Processes that a test starts would import this command.
        sys.modules["__main__"] = ModuleType("__main__")
        os.chdir(TREE)
        _start_servers_late()
        plugin = make_plugin()
        words = [*words, "--tb=short", f"--basetemp={place}/tmp/pytest", f"--rootdir={TREE}"]
        code = int(pytest.main([*words, "-p", "no:cacheprovider", "-p", "no:xdist"], plugins=[plugin]))
        (place / "ended.json").write_text(json.dumps({"code": code, "found": plugin.found()}))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def libraries() -> list[str]:
    """Return the modules that this process has imported, but for those of the project."""
    return sorted(name for name in sys.modules if not _is_in(name, _NOT_PRELOADED))


def preload(modules: Iterable[str]) -> None:
    """Import libraries that tests were seen to import, so that forks need not."""
    for name in modules:
        if name not in sys.modules:
            # Some names are no modules, some need what only a test had.
            with contextlib.suppress(BaseException):
                importlib.import_module(name)
    _forget_ours()


def compile_tests(files: list[str]) -> None:
    """Have pytest compile test files, so that forks that may leave nothing behind need not."""
    fork(["--collect-only", *files], 600, Nothing)
    # Or else a changed source would be left there compiled.
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    # What is there already need not be looked through by each fork.
    gc.collect()
    gc.freeze()


def _start_servers_late() -> None:
    """Keep conftest from starting the server of warm processes: most mutants need none."""
    # A changed source that can't be imported must fail in pytest, which says so.
    warm = importlib.import_module("tests.warm")
    start, warm.start_server = warm.start_server, lambda: None
    with contextlib.suppress(Exception):
        importlib.import_module("tests.conftest")
    warm.start_server = start


def _forget_ours() -> None:
    for name in [name for name in sys.modules if _is_in(name, _OURS)]:
        del sys.modules[name]


def _is_in(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _wait(child: int, deadline: float) -> int | None:
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.02)
    return None


def _kill(child: int) -> None:
    """Kill a fork and its descendants, of which some lead sessions of their own; orphans are still of its group."""
    descendants, found = [child], True
    while found:
        found = [pid for pid, parent in _parents() if parent in descendants and pid not in descendants]
        descendants += found
    for pid in descendants[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)


def _parents() -> list[tuple[int, int]]:
    pairs = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pairs.append((int(entry.parent.name), int(entry.read_text().rpartition(")")[2].split()[1])))
    return pairs


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        return content
    except (OSError, ValueError):
        return None
