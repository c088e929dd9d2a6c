"""Rows of people in poses, for methods that are given the pose of an image."""

from collections.abc import Callable

import torch
from torch import Tensor

from genbench.conditions.base import Condition
from genbench.conditions.choosing import expect
from genbench.conditions.posed import Posed
from genbench.conditions.shots import Shots


def shots_of(condition: Condition | None, what: str) -> Shots:
    """Return what the frames of people are, of the data's condition or of that which a run folder keeps.

    Raises:
        ValueError: the data shows no people by frames; the message begins with `what`.
    """
    given = condition.shots if isinstance(condition, Posed) else condition
    return expect(given, Shots, f"{what} take people by several frames, such as data=portraits")


@torch.no_grad()
def posed(condition: Posed, find: Callable[[Tensor], Tensor], x: Tensor, rows: Tensor) -> Tensor:
    """Return rows of a condition: the pose of images x (B, C, H, W), and frames of rows (B, M) of its `Shots`.

    Args:
        condition: of the rows.
        find: returns key points of images.
        x: images whose pose it is.
        rows: the people and their frames.
    """
    _, frames = condition.shots.split(rows)
    points = find(torch.cat([x[:, None], frames], dim=1).flatten(0, 1))
    return condition.pack(points.unflatten(0, (len(x), -1)), rows)
