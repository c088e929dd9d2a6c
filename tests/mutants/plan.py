"""Which mutants are tried."""

from collections.abc import Iterator

from tests.mutants.explained import explanations
from tests.mutants.operators import Mutant, Source
from tests.mutants.results import Result
from tests.mutants.rooms import ROOMS, sources_of

_LEAST = 3
"""Mutants of each source, if it has so many."""


class Plan:
    """The sources, and the indices of their mutants that are tried.

    Args:
        only: the sources that are meant; all of the rooms if empty.
        count: how many mutants to draw, spread over the sources by their size; None for all.
        seed: of the draw.

    Raises:
        ValueError: a source is in no room.
    """

    def __init__(self, only: list[str], count: int | None, seed: int) -> None:
        self._room_of = {source: name for name, room in ROOMS.items() for source in sources_of(room)}
        for name in only:
            if name not in self._room_of:
                raise ValueError(f"ONLY={name} is not among the sources that are mutated, see tests/mutants/rooms.py")
        self._sources = {name: Source(name) for name in only or self._room_of}
        self.sizes = {name: len(source) for name, source in self._sources.items()}
        shares = spread(self.sizes, count)
        self._drawn = {name: source.draw(shares[name], seed) for name, source in self._sources.items()}

    @property
    def rooms(self) -> list[str]:
        """Those that the sources are in."""
        return list(dict.fromkeys(self._room_of[source] for source in self._sources))

    def __len__(self) -> int:
        return sum(map(len, self._drawn.values()))

    def mutants(self) -> Iterator[tuple[str, Mutant]]:
        """Yield each with its room."""
        for name, indices in self._drawn.items():
            for index in indices:
                mutant = self._sources[name].mutant(index)
                if mutant is not None:
                    yield self._room_of[name], mutant

    def only_survivors(self, results: list[Result]) -> list[Result]:
        """Try those again that survived unexplained, or whose source has changed; return the others."""
        explained = explanations()
        meant = [one for one in results if one.source in self._sources]
        drawn = {(one.source, one.index): one for one in meant if one.index in self._drawn[one.source]}
        kept = [
            one for one in drawn.values()
            if (one.outcome != "survived" or (one.source, one.before, one.after) in explained)
            and one.is_of(self._sources[one.source].mutant(one.index))
        ]  # fmt: skip
        done = {(one.source, one.index) for one in kept}
        self._drawn = {
            name: [index for index in indices if (name, index) not in done] for name, indices in self._drawn.items()
        }
        return kept


def spread(sizes: dict[str, int], count: int | None) -> dict[str, int]:
    """Return how many of `count` mutants each source gets: a few each, the rest by size."""
    if count is None or count >= sum(sizes.values()):
        return dict(sizes)
    least = {name: min(_LEAST, size) for name, size in sizes.items()}
    rest, room = max(0, count - sum(least.values())), sum(sizes.values()) - sum(least.values())
    return {name: least[name] + round(rest * (size - least[name]) / room) for name, size in sizes.items()}
