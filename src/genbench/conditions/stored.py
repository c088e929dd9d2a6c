"""Conditions as JSON has them: what makes one again, and what it is."""

import importlib
from typing import Any

from genbench.conditions.base import Condition


def to_facts(condition: Condition) -> dict[str, Any]:
    """Return what a file says of a condition: its class, as `_target_`, and the arguments that make it again."""
    kind = type(condition)
    return {"_target_": f"{kind.__module__}.{kind.__qualname__}", **condition.to_dict()}


def from_facts(facts: Any) -> Condition:
    """Return the condition that a file says; whoever reads it has checked that its classes may be named.

    Raises:
        ValueError: it says none.
    """
    if not isinstance(facts, dict) or "_target_" not in facts:
        raise ValueError("it says no condition")
    module, _, name = str(facts["_target_"]).rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"there is no {facts['_target_']}") from error
    if not (isinstance(kind, type) and issubclass(kind, Condition)):
        raise ValueError(f"{facts['_target_']} is no condition")
    return kind.from_dict({key: value for key, value in facts.items() if key != "_target_"})
