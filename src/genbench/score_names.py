"""Names of the figures of scores, and which end of each is better.

A name ends with the extractor that the figure was computed by, unless that is FID's own Inception: `fid_digits` is not
an FID by Inception. Figures are read from the files of `metrics.scores` without importing them; a plug-in's are known
once its class is.
"""

from collections.abc import Container, Iterable, Mapping
from functools import cache
from typing import Literal

from genbench.signatures import class_of, constant_of, modules_of

Better = Literal["lower", "higher"] | None
"""Which end of a figure is better; None for neither."""

ROOM = "genbench.metrics.scores"
"""The package whose files are the scores of GenBench."""

_ANNOUNCED: dict[str, Better] = {}

_FIRST = ("fid", "is", "kid", "precision", "recall", "density", "coverage", "classes", "smallest_class")
"""Figures that come first in a table."""


def announce(figures: Mapping[str, Better]) -> None:
    """Make figures known that are no score's of GenBench."""
    _ANNOUNCED.update(figures)


def known_figures() -> dict[str, Better]:
    """Return all figures that are known, and which end of each is better."""
    return {**_ANNOUNCED, **_figures_of_room()}


@cache
def _figures_of_room() -> dict[str, Better]:
    found: dict[str, Better] = {}
    for name in modules_of(ROOM):
        found |= constant_of(class_of(f"{ROOM}.{name}") or "", "figures") or {}
    return found


def plain_score(name: str) -> str:
    """Return a score's name without its extractor: `fid` for `fid_digits`; unknown ones and deviations as they are."""
    section, slash, figure = name.rpartition("/")
    if figure.endswith("_std"):
        return name
    known = [one for one in known_figures() if figure == one or figure.startswith(f"{one}_")]
    return f"{section}{slash}{max(known, key=len, default=figure)}"


def find_score(name: str, among: Iterable[str]) -> str | None:
    """Return a score by its name, or else the same score by another extractor; None if there is neither."""
    among = list(among)
    if name in among:
        return name
    return next((other for other in among if plain_score(other) == name), None)


def better(name: str, recorded: Mapping[str, Better] | None = None) -> Literal["min", "max"] | None:
    """Return whether lower ("min") or higher ("max") is better; None if neither, as for a standard deviation.

    Args:
        name: of a figure, with or without its extractor.
        recorded: what stands beside the scores of a run, for figures of scores that are not known here.
    """
    end = known_figures().get(plain_score(name)) or (recorded or {}).get(name)
    ends: dict[Better, Literal["min", "max"]] = {"lower": "min", "higher": "max"}
    return ends.get(end)


def ranked() -> list[str]:
    """Return the figures for which either end is better, in alphabetical order."""
    return sorted(name for name, end in known_figures().items() if end)


def in_order(names: Iterable[str]) -> list[str]:
    """Return figures in the order of a table: the best known first, the others by name."""

    def rank(name: str) -> tuple[int, str]:
        plain = plain_score(name)
        return (_FIRST.index(plain) if plain in _FIRST else len(_FIRST), name)

    return sorted(names, key=rank)


def is_deviation(name: str, among: Container[str]) -> bool:
    """Return whether a figure is the standard error or deviation of another one in `among`."""
    return name.endswith("_std") and name.removesuffix("_std") in among
