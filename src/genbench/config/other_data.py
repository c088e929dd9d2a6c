"""What an experiment sets of its data set, where another data set was chosen in its place."""

import json
from collections.abc import Iterable
from typing import Any

from genbench.config.folder import bases, own_content
from genbench.config.suits import DEFAULT_DATA, chosen_groups, chosen_value, own_choice
from genbench.signatures import parameters_of


def other_data(experiment: str, overrides: Iterable[str]) -> str | None:
    """Return the data set that overrides choose in place of an experiment's own; None where they don't."""
    data = chosen_groups(overrides).get("data")
    return None if data == (own_choice(experiment, "data") or DEFAULT_DATA) else data


def has_setting(data: str, name: str) -> bool:
    """Whether a data set has a setting; one that is not in `conf/` is left to be refused as such."""
    content = _content("data", data)
    return name in content or name in (parameters_of(str(content.get("_target_"))) or {})


def left_out(experiment: str, data: str, overrides: Iterable[str], kept: Iterable[str] | None = None) -> list[str]:
    """Return the overrides that leave out what an experiment sets of its own data set, and another one lacks.

    Args:
        experiment: which.
        data: the other data set.
        overrides: what a person set, which stays, and is refused if it is of no use.
        kept: the only settings that the other data set takes over from the experiment; None for all that it has.
    """
    lines, own, given = [], _content("data", data), list(overrides)
    for name in _content("experiment", experiment).get("data") or {}:
        if chosen_value(f"data.{name}", given) is not None:
            continue
        if not has_setting(data, name):
            lines.append(f"~data.{name}")
        elif kept is not None and name not in kept and name in own:
            lines.append(f"data.{name}={_written(own[name])}")
    return lines


def _content(group: str, name: str) -> dict[str, Any]:
    """Return what an option's file says, with those that it begins with."""
    merged: dict[str, Any] = {}
    for base in reversed(bases(group, name)):
        merged |= own_content(group, base)
    return merged


def _written(value: Any) -> str:
    return value if isinstance(value, str) and value.startswith("${") else json.dumps(value)
