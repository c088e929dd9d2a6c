"""How a grid of images is laid out, for those who make one and those who cut one up."""

MARGIN = 2
"""Pixels between the images of a grid and around them."""

GREY = 96
"""The level of these pixels."""

_SMALLEST_SIDE = 64


def enlargement(height: int, width: int) -> int:
    """Return by which whole factor a grid enlarges its images, so that a person sees the pixels of small ones."""
    return max(1, _SMALLEST_SIDE // max(height, width))
