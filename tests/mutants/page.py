"""The page about the mutants."""

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.mutants.child import Ended
from tests.mutants.explained import explanations
from tests.mutants.planted import Planted
from tests.mutants.results import Result
from tests.mutants.rooms import ROOMS, ROOT

PAGE = ROOT / "docs" / "mutants.md"


@dataclass(frozen=True)
class Session:
    """What was asked for."""

    mutants: str
    seed: int
    budget: float
    possible: int
    """How many mutants there are."""

    kept: int
    """Of how many the result is that of an earlier run."""


def render(
    results: Sequence[Result],
    session: Session,
    planted: Sequence[tuple[Planted, Ended]],
    false_alarms: Sequence[str],
    seconds: float,
) -> str:
    """Return the page.

    Args:
        results: of all mutants.
        session: what was asked for.
        planted: the faults planted by hand, and what their tests said.
        false_alarms: tests that fail on the unchanged sources too; what they killed counts as survived.
        seconds: that it all took.
    """
    results = [_corrected(one, false_alarms) for one in results]
    lines = [*_head(results, session, seconds), *_table(results), *_planted(planted), *_survivors(results)]
    if false_alarms:
        lines += ["", "Tests that failed by themselves on the unchanged sources, whose kills count as survivals:", ""]
        lines += [f"- `{test}`" for test in false_alarms]
    return "\n".join(lines) + "\n"


def _corrected(result: Result, false_alarms: Sequence[str]) -> Result:
    if result.test not in false_alarms or not result.test:
        return result
    return Result(**(result.__dict__ | {"outcome": "survived", "test": ""}))


def _head(results: Sequence[Result], session: Session, seconds: float) -> list[str]:
    import torch

    machine = f"{os.cpu_count()} cores, {platform.machine()}, no GPU, torch {torch.__version__.split('+')[0]}"
    killed, timed_out, survived = (_count(results, outcome) for outcome in ("killed", "timed out", "survived"))
    drawn = "all" if session.mutants == "all" else f"{len(results):,}, drawn at random with seed {session.seed},"
    return [
        "# Mutants",
        "",
        f"`make mutants MUTANTS={session.mutants} SEED={session.seed}{' AGAIN=1' if session.kept else ''}`, {machine}, "
        f"{time.strftime('%Y-%m-%d')}, {seconds / 60:.0f} minutes.",
        *([f"{session.kept} of the results are those of the runs before."] if session.kept else []),
        "",
        "A mutant is the sources with one small fault, made by the operators of",
        "[mutmut](https://github.com/boxed/mutmut): another number, operator or constant, an argument dropped or None,",
        f"a condition turned round. Of {session.possible:,} possible ones {drawn} were each tried against the tests",
        f"that reach the changed lines, the likeliest and quickest first, up to {session.budget:.0f} seconds of them:",
        "what only a later test would find counts as survived. Left out are texts that a person reads (error messages,",
        "warnings, docstrings), type annotations and enums; see `tests/mutants/rooms.py`. The tests were strengthened",
        "by survivors of seed 0; another `SEED` is a draw that they have not seen.",
        "",
        f"**{_share(results)} found**: {killed} killed by a test, {timed_out} that hung and ran out of time, "
        f"{survived} survived.",
        "",
    ]


def _count(results: Sequence[Result], outcome: str) -> int:
    return sum(one.outcome == outcome for one in results)


def _share(results: Sequence[Result]) -> str:
    return f"{1 - _count(results, 'survived') / len(results):.1%}"


def _table(results: Sequence[Result]) -> list[str]:
    lines = ["| room | mutants | killed | timed out | survived | found |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for room in ROOMS:
        own = [one for one in results if one.room == room]
        if own:
            counts = " | ".join(str(_count(own, outcome)) for outcome in ("killed", "timed out", "survived"))
            lines.append(f"| {room} | {len(own)} | {counts} | {_share(own)} |")
    return lines


def _planted(planted: Sequence[tuple[Planted, Ended]]) -> list[str]:
    lines = ["", "## Faults planted by hand", "", "These once survived.", "", "| fault | | by |", "| --- | --- | --- |"]
    for fault, ended in planted:
        found = "killed" if ended.status == "failed" and ended.first_failed == fault.test else "**survived**"
        lines.append(f"| {fault.what} | {found} | `{fault.test}` |")
    return lines


def _survivors(results: Sequence[Result]) -> list[str]:
    known = explanations()
    survivors = sorted((one for one in results if one.outcome == "survived"), key=lambda one: (one.source, one.index))
    reasons = [known.get((one.source, one.before, one.after), ("not explained yet", "")) for one in survivors]
    kinds = sorted({kind for kind, _ in reasons})
    lines = ["", "## Survivors", "", ", ".join(f"{sum(k == kind for k, _ in reasons)} {kind}" for kind in kinds) + "."]
    for one, (kind, why) in zip(survivors, reasons, strict=True):
        lines += ["", f"`{one.source}:{one.line}`, {kind}{f': {why}' if why else ''}", "", "```diff"]
        lines += [f"- {one.before}", f"+ {one.after}", "```"]
    return lines
