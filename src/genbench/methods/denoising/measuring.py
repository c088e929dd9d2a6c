"""The size of latents, measured once before a diffusion model of them is trained."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from genbench.batch import Batch
from genbench.distributed import summed

ENOUGH = 2048
"""Samples of which latents are measured: the error of a deviation is then 1.6 %."""


def first_batches(trainer: Any) -> Iterator[Batch]:
    """Yield the first batches of the training data, on the trainer's device, of `ENOUGH` samples in all processes."""
    seen = 0
    device = trainer.strategy.root_device
    for batch in trainer.datamodule.train_dataloader():
        yield Batch(batch.x.to(device), None if batch.condition is None else batch.condition.to(device))
        seen += len(batch.x) * trainer.world_size
        if seen >= ENOUGH:
            return


def moments(latents: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the means and deviations (D,), float64, of the numbers of latents (B, D) in all batches and processes."""
    sums: Any = 0
    for z in latents:
        z = z.double()
        sums = sums + torch.stack([torch.ones_like(z[0]) * len(z), z.sum(0), z.square().sum(0)])
    sums = summed(sums)
    mean = sums[1] / sums[0]
    return mean, (sums[2] / sums[0] - mean.square()).clamp_min(0).sqrt()
