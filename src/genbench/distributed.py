"""Sums over the processes of a training, which are the numbers themselves where there is one."""

import torch
from torch import Tensor


def is_distributed() -> bool:
    """Return whether this process is one of several that train together."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def summed(values: Tensor) -> Tensor:
    """Return the sum over processes; in place."""
    if is_distributed():
        torch.distributed.all_reduce(values)
    return values


def averaged(values: Tensor) -> Tensor:
    """Return the mean over processes; in place."""
    return summed(values).div_(torch.distributed.get_world_size()) if is_distributed() else values


def of_the_first(values: Tensor) -> Tensor:
    """Return those of the first process."""
    if is_distributed():
        values = values.contiguous()
        torch.distributed.broadcast(values, 0)
    return values
