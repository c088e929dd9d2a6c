"""Two things measured in turns, so that what else the machine does falls on both."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """Medians of rounds.

    Attributes:
        ours: what the first gave.
        other: what the second gave.
        ratio: the median of the rounds' ratios, first by second.
        lowest: the smallest of them.
        highest: the largest.
    """

    ours: float
    other: float
    ratio: float
    lowest: float
    highest: float

    def __str__(self) -> str:
        """Return the cells of a table's row."""
        return f"{self.ours:.3g} | {self.other:.3g} | {self.ratio:.3f} ({self.lowest:.2f} to {self.highest:.2f})"


def in_turns(ours: Callable[[], float], other: Callable[[], float], rounds: int) -> Comparison:
    """Measure both `rounds` times; each goes first as often as the other."""
    pairs = []
    for index in range(rounds):
        turns = (ours, other) if index % 2 else (other, ours)
        found = [turn() for turn in turns]
        pairs.append(found if index % 2 else found[::-1])
    ratios = [one / two for one, two in pairs]
    ours_median, other_median = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Comparison(ours_median, other_median, statistics.median(ratios), min(ratios), max(ratios))
