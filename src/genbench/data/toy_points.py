"""Outlines of circles, squares and triangles as point sets: a generated toy data set of a medium other than images.

Example:
    python -m genbench experiment=ddpm_toy_points
"""

import math
from typing import Any

import torch
from torch import Tensor

from genbench.conditions.classes import Classes
from genbench.data.base import DataSet, Split
from genbench.data.store import SampleStore
from genbench.errors import UserError
from genbench.medium import Points
from genbench.randomness import make_generator

_SHAPES = {"circle": 0, "square": 4, "triangle": 3}
"""Number of corners; a circle has none."""

_SMALLEST, _LARGEST = 0.5, 1.0
"""Radius of the corners."""


class ToyPoints(DataSet):
    """Points (N, 2) evenly spaced along an outline from its top on, of random size and position; three classes.

    Args:
        points: N, per outline; at least 3.
        count: training outlines; there are a fifth as many test outlines.
        batch_size: outlines per batch over all processes.
        seed: seed of the training order.
        settings: `captions` and `tokenizer` of `DataSet`.

    Raises:
        UserError: an argument is out of range.
    """

    name = "toy_points"

    def __init__(
        self, points: int = 24, count: int = 6000, batch_size: int = 64, seed: int = 0, **settings: Any
    ) -> None:
        super().__init__(batch_size, seed, **settings)
        for key, value, least in (("points", points, 3), ("count", count, 10)):
            if value < least:
                raise UserError(f"data.{key} must be at least {least}, not {value}")
        self.points = points
        self.count = count
        self.medium = Points((points, 2))
        self.condition = Classes(list(_SHAPES))

    def load(self, split: Split) -> SampleStore:
        """Return the outlines of a split, float32 (count, N, 2), with their classes (count,)."""
        count = self.count if split == "train" else self.count // 5
        # The generated data do not depend on the run's seed.
        generator = make_generator("data", 0 if split == "train" else 1)
        classes = torch.arange(count) % len(_SHAPES)
        outlines = torch.stack([outline(corners, self.points) for corners in _SHAPES.values()])[classes]
        radius = _SMALLEST + (_LARGEST - _SMALLEST) * torch.rand(count, 1, 1, generator=generator)
        centre = (torch.rand(count, 1, 2, generator=generator) * 2 - 1) * (_LARGEST - radius)
        return SampleStore(outlines * radius + centre, classes, medium=self.medium, condition=self.condition)


def outline(corners: int, count: int) -> Tensor:
    """Return points (count, 2) evenly spaced along a regular polygon's edges, or a circle if it has no corners.

    The corners are at a distance of 1 from the centre, the first at the top.
    """
    if corners == 0:
        angles = torch.arange(count) * (2 * math.pi / count)
        return torch.stack([angles.sin(), angles.cos()], dim=1)
    angles = torch.arange(corners + 1) * (2 * math.pi / corners)
    places = torch.stack([angles.sin(), angles.cos()], dim=1)
    along = torch.arange(count) * (corners / count)
    edge = along.floor().long()
    return torch.lerp(places[edge], places[edge + 1], (along - edge)[:, None])
