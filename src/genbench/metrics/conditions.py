"""Which conditions the images of a scored set are drawn for: a part of the protocol, since it moves scores."""

from typing import Any, Literal

import torch
from torch import Tensor


def plan_conditions(data: Any, count: int, seed: int = 0) -> tuple[Tensor, str]:
    """Return `count` conditions (count, ...) for a set that is to be scored, and in words where they come from.

    Of class labels each class gets its share of the training images to within one image, so that two plans differ in
    order alone. Sources of a translation are those of images that the method never saw, each as often as any other to
    within one; they stay uint8 (count, C, H, W).

    Args:
        data: a data set with conditions.
        count: how many to plan.
        seed: of the order.
    """
    conditions = data.store("train").conditions
    if data.source_shape is None and conditions.ndim == 1:
        return _in_proportion(conditions[:], count, seed), "in the training images' proportions"
    split = held_out(data)
    conditions = data.store(split).conditions
    return conditions[_rows(len(conditions), count, seed)], f"those of the {split} split, each as often as any other"


def conditions_in_turn(data: Any, count: int) -> Tensor:
    """Return `count` conditions for a picture: the classes in turn, or what the first unseen images are drawn for.

    Args:
        data: a data set; where it has no test images the training images do.
        count: how many.
    """
    if data.num_classes is not None:
        return torch.arange(count) % data.num_classes
    conditions = data.store(held_out(data)).conditions[:count]
    return conditions[torch.arange(count) % len(conditions)]


def held_out(data: Any) -> Literal["train", "test"]:
    """Return the split that training does not look at, or "train" where there is no other."""
    return "test" if "test" in data.splits else "train"


def _in_proportion(labels: Tensor, count: int, seed: int) -> Tensor:
    shares = torch.bincount(labels).double() * count / len(labels)
    counts = shares.floor().long()
    # The largest remainders get the images that rounding left over.
    missing = count - int(counts.sum())
    counts[(shares - counts).argsort(descending=True, stable=True)[:missing]] += 1
    planned = torch.arange(len(counts)).repeat_interleave(counts).to(labels.dtype)
    return planned[torch.randperm(count, generator=torch.Generator().manual_seed(seed))]


def _rows(total: int, count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    rounds = -(-count // total)
    return torch.cat([torch.randperm(total, generator=generator) for _ in range(rounds)])[:count]
