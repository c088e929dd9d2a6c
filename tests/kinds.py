"""Conditions that many tests need."""

from genbench.conditions.classes import Classes


def classes(count: int) -> Classes:
    """Return classes that are named by their numbers."""
    return Classes([str(number) for number in range(count)])
