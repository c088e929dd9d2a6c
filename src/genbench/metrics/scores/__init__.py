"""Scores, one file each, found by the name of the file: `metrics.scores=[fid]` is `fid.py`.

A file has one public class, a `Score`. Its figures, its settings and what it is called are read from its source, so
that nothing here imports torch until a score is made.
"""

import importlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from genbench.errors import UserError, near
from genbench.score_names import Better
from genbench.signatures import class_of, constant_of, modules_of, parameters_of

if TYPE_CHECKING:
    from genbench.metrics.score import Score


def names() -> list[str]:
    """Return the scores that can be chosen by name."""
    return modules_of(__name__)


def names_by(chosen: str) -> list[str]:
    """Return the scores whose attribute `chosen` is this."""
    return [name for name in names() if (constant_of(_class(name), "chosen") or "default") == chosen]


def target_of(entry: Any) -> str:
    """Return the dotted name of the class of an entry of `metrics.scores`: a name, or a node with a `_target_`.

    Raises:
        UserError: there is no such score.
    """
    if isinstance(entry, Mapping) and "_target_" in entry:
        return str(entry["_target_"])
    if not isinstance(entry, str) or entry not in names():
        raise UserError(f"metrics.scores: there is no score {entry!r}{near(str(entry), names())}")
    return _class(entry)


def figures_of(entry: Any) -> dict[str, Better]:
    """Return the figures of an entry of `metrics.scores`, and which end of each is better: "lower", "higher" or None.

    Raises:
        UserError: there is no such score.
    """
    return constant_of(target_of(entry), "figures") or {}


def settings_of(name: str) -> list[str]:
    """Return the settings of the evaluator that a score asks for."""
    return list(parameters_of(_class(name)) or {})


def make_scores(entries: "Iterable[str | Score]", settings: Mapping[str, Any]) -> "list[Score]":
    """Return the scores of `metrics.scores`, each once.

    Args:
        entries: names, or scores that are there already, as a `_target_` makes them.
        settings: of the evaluator; each score is given those that it asks for by name.

    Raises:
        UserError: there is no such score, or a figure has the name of another one's.
    """
    made: dict[str, Score] = {}
    # The names of GenBench's own figures have a meaning, whether they are computed or not.
    owners = {figure: name for name in names() for figure in figures_of(name)}
    for entry in entries:
        score = _make(entry, settings) if isinstance(entry, str) else entry
        if isinstance(entry, str) and score.name in made:
            continue
        for figure in score.figures:
            if owners.setdefault(figure, score.name) != score.name or score.name in made:
                raise UserError(
                    f"metrics.scores: {score.name} and {owners[figure]} both have the figure {figure}: "
                    "leave one of them out, or rename it"
                )
        made[score.name] = score
    return list(made.values())


def _make(name: str, settings: Mapping[str, Any]) -> "Score":
    module, _, class_name = target_of(name).rpartition(".")
    asked = settings_of(name)
    score: Score = getattr(importlib.import_module(module), class_name)(
        **{key: value for key, value in settings.items() if key in asked}
    )
    return score


def _class(name: str) -> str:
    module = f"{__name__}.{name}"
    return class_of(module) or module
