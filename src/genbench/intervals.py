"""Confidence intervals of proportions."""

from math import sqrt

_Z = 1.959963984540054
"""Of 95 %."""


def wilson(successes: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion (Wilson 1927), which is right also near 0 and 1.

    Args:
        successes: from 0 to `count`.
        count: at least 1.
    """
    p, z = successes / count, _Z**2 / count
    middle = (p + z / 2) / (1 + z)
    half = _Z * sqrt(p * (1 - p) / count + z / (4 * count)) / (1 + z)
    return middle - half if successes else 0.0, middle + half if successes < count else 1.0
