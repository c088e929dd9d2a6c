"""Which test reaches which lines, and how long it takes: measured once for each test file, in a fork."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coverage
import pytest

from tests.mutants.child import LOG, TREE, fork, libraries, preload
from tests.mutants.rooms import DEFINITIONS, SOURCES, WORK, mirror_of

# Tests of several processes take longest, and what these reach is not seen.
_LIMIT = 900
"""Seconds for all tests of a file."""


@dataclass(frozen=True)
class Test:
    """A test that passes on the unchanged sources."""

    name: str
    seconds: float
    lines: dict[str, frozenset[int]]
    """Of each source, the lines that it reaches."""

    @property
    def file(self) -> str:
        """Its file."""
        return self.name.partition("::")[0]


class _Plugin:
    """Attributes lines to tests; what a fixture of a wider scope reaches, to all tests that use it."""

    def __init__(self) -> None:
        self._coverage = coverage.Coverage(data_file=None, source=[str(SOURCES)], messages=False, config_file=False)
        self._coverage.set_option("run:core", "ctrace")
        self._coverage.start()
        self._context = ""
        self._seconds: dict[str, float] = defaultdict(float)
        self._failed: set[str] = set()
        self._fixtures: dict[str, list[str]] = {}

    def _switch(self, context: str) -> str:
        old, self._context = self._context, context
        self._coverage.switch_context(context)
        return old

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        module = item.nodeid.partition("::")[0]
        self._fixtures[item.nodeid] = [f"{module} {name}" for name in getattr(item, "fixturenames", ())]
        old = self._switch(item.nodeid)
        result = yield
        self._switch(old)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Iterator[None]:
        if fixturedef.scope == "function":
            return (yield)
        module = self._context.partition("::")[0].partition(" ")[0]
        old = self._switch(f"{module} {fixturedef.argname}")
        result = yield
        self._switch(old)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration
        if report.outcome != "passed":
            self._failed.add(report.nodeid)

    def found(self) -> dict[str, Any]:
        self._coverage.stop()
        data = self._coverage.get_data()
        reached: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for file in data.measured_files():
            source = str(SOURCES / file.rpartition(f"/{SOURCES}/")[2])
            for line, contexts in data.contexts_by_lineno(file).items():
                for context in contexts:
                    reached[context][source].append(line)
        tests = {}
        for name, seconds in self._seconds.items():
            if name not in self._failed:
                lines: dict[str, set[int]] = defaultdict(set)
                for context in (name, *self._fixtures[name]):
                    for source, those in reached.get(context, {}).items():
                        lines[source].update(those)
                tests[name] = {"seconds": seconds, "lines": {key: sorted(value) for key, value in lines.items()}}
        return {"tests": tests, "failed": sorted(self._failed), "libraries": libraries()}


class Reach:
    """What is known of the tests of some files."""

    def __init__(self, files: list[str]) -> None:
        self._tests: dict[str, list[Test]] = {}
        sources = b"".join(file.read_bytes() for file in sorted((TREE / SOURCES).rglob("*.py")))
        for file in files:
            content = _measured(file, hashlib.sha256(sources + (TREE / file).read_bytes()).hexdigest())
            preload(content["libraries"])
            self._tests[file] = [
                Test(name, test["seconds"], {key: frozenset(lines) for key, lines in test["lines"].items()})
                for name, test in content["tests"].items()
            ]

    def tests_for(self, source: str, lines: tuple[int, int] | None, files: list[str], budget: float) -> list[Test]:
        """Return the tests to try a mutant with, likely and quick ones first.

        Those that reach its lines, or where none does, or they are run on import, all that reach its source and those
        of `DEFINITIONS`; the mirroring test file's come first. As many as take no longer than `budget` seconds
        together, at least one.
        """
        candidates = [test for file in files for test in self._tests[file]]
        changed = set(range(lines[0], lines[1] + 1)) if lines else set()
        reaching = [test for test in candidates if test.lines.get(source, frozenset()) & changed]
        reaching = reaching or [test for test in candidates if source in test.lines or test.file == DEFINITIONS]
        first = (mirror_of(source), DEFINITIONS)
        taken: list[Test] = []
        for test in sorted(reaching, key=lambda test: (test.file not in first, test.seconds)):
            if taken and sum(one.seconds for one in taken) + test.seconds > budget:
                break
            taken.append(test)
        return taken


def _measured(file: str, digest: str) -> dict[str, Any]:
    cache = WORK / "reach" / f"{file.replace('/', '-')}.json"
    if cache.exists():
        content: dict[str, Any] = json.loads(cache.read_text())
        if content["digest"] == digest:
            return content
    ended = fork([file, "-k", "not two_processes and not several_processes"], _LIMIT, _Plugin)
    if not ended.found.get("tests"):
        raise RuntimeError(f"the tests of {file} can't be measured: they {ended.status}\n{LOG.read_text()}")
    content = {"digest": digest, **ended.found}
    unfit = f", without {len(content['failed'])} that fail or are skipped" if content["failed"] else ""
    print(f"{file}: {len(content['tests'])} tests in {ended.seconds:.0f} s{unfit}", flush=True)
    Path(cache).parent.mkdir(parents=True, exist_ok=True)
    cache.write_text(json.dumps(content))
    return content
