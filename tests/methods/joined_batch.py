"""Train with the noise that one process would have drawn for the whole batch, each process taking its part of it.

    torchrun --nproc-per-node=3 -m tests.methods.joined_batch key=value ...

Two processes draw their noise each for itself, so their gradients can only equal those of one process if they are given
the same noise. All that is replaced here is where it comes from.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from genbench.__main__ import main
from genbench.callbacks import reproducible_steps

RANK, COUNT = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


def of_the_whole_batch(draw: Callable[..., Tensor], first: int) -> Callable[..., Tensor]:
    """Return a source that draws for all processes and returns this one's part; the size is argument `first`."""

    def drawn(*arguments: Any, **settings: Any) -> Tensor:
        if settings.get("generator") is not None:
            # Of the data, which are the same in all processes.
            return draw(*arguments, **settings)
        shape = arguments[first:]
        nested = bool(shape) and isinstance(shape[0], tuple | list | torch.Size)
        size = list(shape[0]) if nested else list(shape)
        whole = [size[0] * COUNT, *size[1:]]
        joined = draw(*arguments[:first], *([whole] if nested else whole), **settings)
        return joined[RANK * size[0] : (RANK + 1) * size[0]]

    return drawn


def like(x: Tensor) -> Tensor:
    """Return noise of the shape of x."""
    return torch.randn(x.shape, dtype=x.dtype, device=x.device)


if __name__ == "__main__":
    seed_of = reproducible_steps.derive_seed
    reproducible_steps.derive_seed = lambda name, seed, rank, step: seed_of(name, seed, 0, step)
    torch.randn = of_the_whole_batch(torch.randn, 0)  # type: ignore[assignment]
    torch.rand = of_the_whole_batch(torch.rand, 0)  # type: ignore[assignment]
    torch.randint = of_the_whole_batch(torch.randint, 2)  # type: ignore[assignment]
    torch.randn_like = like  # type: ignore[assignment]
    sys.exit(main(["train", *sys.argv[1:]]))
