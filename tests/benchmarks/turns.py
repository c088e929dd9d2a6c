"""Two things measured in turns, so that what else the machine does falls on both."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import torch

from genbench.commands.assembly import choose_device

DEVICE = choose_device("auto")
"""Where both run: the first GPU, if there is one."""


def now() -> float:
    """Return seconds, once a GPU is done with all that it was given."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def machine() -> str:
    """Return on what, with what and when something was measured."""
    if DEVICE.type == "cuda":
        chip = torch.cuda.get_device_name()
    else:
        chip = f"{os.cpu_count()} CPU cores of {platform.machine()}"
    return f"{chip}, torch {torch.__version__}, Python {platform.python_version()}, {date.today()}"


@dataclass(frozen=True)
class Comparison:
    """Medians of rounds.

    Attributes:
        ours: what the first gave.
        other: what the second gave.
        ratio: the median of the rounds' ratios, first by second.
        low: their lower quartile.
        high: their upper quartile.
    """

    ours: float
    other: float
    ratio: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return the cells of a table's row."""
        return f"{self.ours:.3g} | {self.other:.3g} | {self.ratio:.3f} ({self.low:.2f} to {self.high:.2f})"


def compare_pairs(pairs: Sequence[tuple[float, float]]) -> Comparison:
    """Compare what the first and the second gave in each of several rounds."""
    ratios = [one / two for one, two in pairs]
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
    ours, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Comparison(ours, other, statistics.median(ratios), low, high)


def in_turns(ours: Callable[[], float], other: Callable[[], float], rounds: int) -> Comparison:
    """Measure both `rounds` times; each goes first as often as the other."""
    pairs = []
    for index in range(rounds):
        if index % 2:
            first = ours()
            pairs.append((first, other()))
        else:
            first = other()
            pairs.append((ours(), first))
    return compare_pairs(pairs)
