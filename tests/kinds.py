"""Conditions, and methods by their kind, that many tests need."""

from genbench.conditions.classes import Classes
from genbench.config import options
from genbench.config.folder import bases, own_content


def classes(count: int) -> Classes:
    """Return classes that are named by their numbers."""
    return Classes([str(number) for number in range(count)])


def trained_methods() -> list[str]:
    """Return the methods that have something to train: those whose file names an optimizer."""
    return [
        method
        for method in options("method")
        if any("optimizer" in key for base in bases("method", method) for key in own_content("method", base))
    ]
