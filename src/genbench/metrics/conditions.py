"""Conditions of the samples in a set, for scores and for pictures.

They come from the method: its condition is the data's, or derived from the data's samples.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genbench.abilities import Generative
from genbench.conditions.base import Condition, Conditions
from genbench.conditions.captions import Captions

_BATCH = 64


@dataclass(frozen=True)
class Plan:
    """What the samples of a set are conditioned on.

    Attributes:
        conditions: of the samples, N of them.
        description: of where they come from.
        rows: of each the row of the held-out split, (N,); None if they are not from it.
    """

    conditions: Conditions
    description: str
    rows: Tensor | None = None


def plan_conditions(method: Generative, data: Any, count: int, seed: int = 0) -> tuple[Conditions, str]:
    """Return the conditions of a `plan`, and their description."""
    found = plan(method, data, count, seed)
    return found.conditions, found.description


def plan(method: Generative, data: Any, count: int, seed: int = 0, split: str | None = None) -> Plan:
    """Return `count` conditions for a set to be scored.

    Classes occur in the proportions of the training images, to within one image, so two plans differ only in order.
    Other conditions are those of held-out images, uniformly to within one.

    Args:
        method: a conditional one.
        data: its data set.
        count: how many to plan.
        seed: of the order.
        split: that conditions other than classes are from; None for the held-out one.
    """
    condition = _of(method)
    if not method.derives_condition:
        rows = data.store("train").conditions
        if condition.labels(rows[:1]) is not None:
            labels = condition.labels(rows[:])
            assert labels is not None
            planned = _of_labels(labels, _in_proportion(labels, count, seed))
            return Plan(Conditions(condition, rows[:][planned]), "in the training images' proportions")
    split = split or held_out(data)
    rows = _rows(_count(method, data, split), count, seed)
    chosen = conditions_of(method, data, split, rows)
    return Plan(chosen, f"those of the {split} split, each as often as any other", rows)


def conditions_in_turn(method: Generative, data: Any, count: int) -> Conditions:
    """Return `count` conditions for a picture: the classes in turn, or the conditions of the first held-out images.

    Args:
        method: a conditional one.
        data: its data set; its training images are used if it has no test images.
        count: how many.
    """
    condition = _of(method)
    if (examples := condition.examples(count)) is not None:
        return Conditions(condition, examples)
    return Conditions(condition, condition.in_turn(first_held_out(method, data, count).rows, count))


def first_held_out(method: Generative, data: Any, count: int) -> Conditions:
    """Return the conditions of the first held-out images, `count` or as many as there are.

    Args:
        method: a conditional one.
        data: its data set; its training images are used if it has no test images.
        count: how many.
    """
    split = held_out(data)
    return conditions_of(method, data, split, torch.arange(min(count, _count(method, data, split))))


def conditions_of(method: Generative, data: Any, split: str, rows: Tensor) -> Conditions:
    """Return the conditions for some samples of a split.

    Args:
        method: a conditional one.
        data: its data set.
        split: of the data.
        rows: which samples, (N,).
    """
    condition, store = _of(method), data.store(split)
    if not method.derives_condition:
        found = store.conditions[rows]
        # A published model has a tokenizer of its own.
        if isinstance(condition, Captions) and isinstance(store.condition, Captions):
            found = condition.encode_again(found, store.condition)
        return Conditions(condition, found)
    parts = []
    for part in rows.split(_BATCH):
        derived = method.condition_of(store.batch(part))
        assert derived is not None
        parts.append(condition.store(derived))
    return Conditions(condition, torch.cat(parts))


def held_out(data: Any) -> str:
    """Return the held-out split, or "train" if there is no other."""
    return "test" if "test" in data.splits else "train"


def _of(method: Generative) -> Condition:
    assert method.condition is not None
    return method.condition


def _count(method: Generative, data: Any, split: str) -> int:
    store = data.store(split)
    return len(store.samples if method.derives_condition else store.conditions)


def _in_proportion(labels: Tensor, count: int, seed: int) -> Tensor:
    fractions = torch.bincount(labels).double() * count / len(labels)
    counts = fractions.floor().long()
    # Largest-remainder rounding.
    missing = count - int(counts.sum())
    counts[(fractions - counts).argsort(descending=True, stable=True)[:missing]] += 1
    planned = torch.arange(len(counts)).repeat_interleave(counts).to(labels.dtype)
    return planned[torch.randperm(count, generator=torch.Generator().manual_seed(seed))]


def _of_labels(labels: Tensor, planned: Tensor) -> Tensor:
    """Return for each planned label the index of a row that has it, of several each in its turn."""
    chosen = torch.empty(len(planned), dtype=torch.long)
    for label in planned.unique():
        there, places = (labels == label).nonzero()[:, 0], (planned == label).nonzero()[:, 0]
        chosen[places] = there[torch.arange(len(places)) % len(there)]
    return chosen


def _rows(total: int, count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    rounds = -(-count // total)
    return torch.cat([torch.randperm(total, generator=generator) for _ in range(rounds)])[:count]
