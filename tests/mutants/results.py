"""What became of each mutant, kept line by line so that a run that is stopped has not been for nothing."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tests.mutants.rooms import WORK

if TYPE_CHECKING:
    from tests.mutants.operators import Mutant


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


class Results:
    """The results of a run, in a file.

    Args:
        name: of the file; runs of other mutants have others.
    """

    def __init__(self, name: str) -> None:
        self._file = WORK / f"results-{name}.jsonl"

    def read(self) -> list[Result]:
        """Return those of the last run, also of one that was stopped."""
        if not self._file.exists():
            return []
        return [Result(**json.loads(line)) for line in self._file.read_text().splitlines()]

    def begin(self, results: Iterable[Result]) -> None:
        """Begin anew, with these."""
        self._file.write_text("")
        for result in results:
            self.add(result)

    def add(self, result: Result) -> None:
        """Add one."""
        with self._file.open("a") as file:
            file.write(json.dumps(asdict(result)) + "\n")
