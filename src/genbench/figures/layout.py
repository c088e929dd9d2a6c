"""Layout of a grid of images, for making one and for cutting one up."""

MARGIN = 2
"""Pixels between the images of a grid and around them."""

GREY = 96
"""Grey level of these pixels."""

_SMALLEST_SIDE = 64


def enlargement(height: int, width: int) -> int:
    """Return the integer factor by which a grid enlarges its images, so that the pixels of small ones are visible."""
    return max(1, _SMALLEST_SIDE // max(height, width))
