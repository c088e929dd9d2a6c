"""What became of each mutant, kept line by line so that a run that is stopped has not been for nothing."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tests.mutants.rooms import WORK

if TYPE_CHECKING:
    from tests.mutants.operators import Mutant

_FILE = WORK / "results.jsonl"


@dataclass(frozen=True)
class Result:
    """What became of a mutant."""

    room: str
    source: str
    index: int
    line: int
    before: str
    after: str
    outcome: str
    """"killed", "survived" or "timed out"."""

    test: str
    """Of a killed one, the test that failed."""

    tests: int
    """How many were to be tried."""

    seconds: float

    def is_of(self, mutant: "Mutant | None") -> bool:
        """Whether a mutant is the one that it was."""
        return mutant is not None and (mutant.before, mutant.after) == (self.before, self.after)


def read_results() -> list[Result]:
    """Return those of the last run, also of one that was stopped."""
    if not _FILE.exists():
        return []
    return [Result(**json.loads(line)) for line in _FILE.read_text().splitlines()]


def write_results(results: Iterable[Result]) -> None:
    """Begin anew, with these."""
    _FILE.write_text("")
    for result in results:
        add_result(result)


def add_result(result: Result) -> None:
    """Add one."""
    with _FILE.open("a") as file:
        file.write(json.dumps(asdict(result)) + "\n")
