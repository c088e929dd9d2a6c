"""Which conditions the images of a scored set are drawn for: a part of the protocol, since it moves scores."""

from typing import Any

import torch
from torch import Tensor


def plan_conditions(conditions: Tensor, count: int, seed: int = 0) -> Tensor:
    """Return `count` conditions in the proportions of a data set's own, (N, ...), in random order.

    Of class labels (N,) each class gets its share to within one image, so that two plans differ in order alone. Other
    conditions are rows of the data set, each as often as any other to within one.

    Args:
        conditions: of the training images.
        count: how many to plan.
        seed: of the order.
    """
    generator = torch.Generator().manual_seed(seed)
    if conditions.ndim == 1 and not conditions.is_floating_point():
        shares = torch.bincount(conditions).double() * count / len(conditions)
        counts = shares.floor().long()
        # The largest remainders get the images that rounding left over.
        missing = count - int(counts.sum())
        counts[(shares - counts).argsort(descending=True, stable=True)[:missing]] += 1
        planned = torch.arange(len(counts)).repeat_interleave(counts).to(conditions.dtype)
        return planned[torch.randperm(count, generator=generator)]
    rounds = -(-count // len(conditions))
    rows = torch.cat([torch.randperm(len(conditions), generator=generator) for _ in range(rounds)])[:count]
    return conditions[rows]


def conditions_in_turn(data: Any, count: int) -> Tensor:
    """Return `count` conditions for a picture: the classes in turn, or what the first test images are drawn for.

    Args:
        data: a data set; where it has no test images the training images do.
        count: how many.
    """
    if data.num_classes is not None:
        return torch.arange(count) % data.num_classes
    conditions = data.store("test" if "test" in data.splits else "train").conditions[:count]
    return conditions[torch.arange(count) % len(conditions)]
