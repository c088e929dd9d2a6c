"""How a set of samples is drawn, whatever its samples are: from noise, from classes, from source images."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from genbench.conditions.base import Conditions
from genbench.medium import Medium


@dataclass(frozen=True)
class Drawing:
    """What `sample` draws.

    Attributes:
        sample: a method's `sample`, or something that is called like it.
        count: samples.
        medium: what a sample is.
        conditions: what each of them is to show, or None.
        show: turns the pictures of the first samples, uint8 (N, C, H, W), into those of a grid, such as each beside its
            source.
    """

    sample: Callable[..., Tensor]
    count: int
    medium: Medium
    conditions: Conditions | None
    show: Callable[[Tensor], Tensor]
