"""Classes: those that a method is told of its data, and those that it is asked to draw."""

import torch
from torch import Tensor


def told_classes(conditional: bool, num_classes: int | None) -> int | None:
    """Return how many classes a method's networks are told; None if it is to be unconditional.

    Raises:
        ValueError: the data has none to tell.
    """
    if conditional and num_classes is None:
        raise ValueError("conditional=true takes data with classes, such as data=mnist")
    return num_classes if conditional else None


def check_classes(
    condition: Tensor | None, count: int, num_classes: int | None, device: torch.device | str
) -> Tensor | None:
    """Return classes (count,) on a device; None for an unconditional method.

    Args:
        condition: what was asked for.
        count: how many images are to be drawn.
        num_classes: that the method knows; None for an unconditional one.
        device: where they are wanted.

    Raises:
        ValueError: they are missing, needless, or not the method's.
    """
    if num_classes is None:
        if condition is not None:
            raise ValueError("this method is unconditional: it can't be asked for a condition")
        return None
    if condition is None or len(condition) != count:
        raise ValueError(f"this method is conditional: it must be told {count} classes to draw")
    if condition.min() < 0 or condition.max() >= num_classes:
        raise ValueError(f"the condition must be classes from 0 to {num_classes - 1}")
    return condition.to(device)
