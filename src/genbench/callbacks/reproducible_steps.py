"""Random numbers of a training step that depend only on (seed, rank, step)."""

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from genbench.randomness import derive_seed

_BLOCK = 64
"""Steps whose seeds are derived together; one at a time would be slower, as NumPy's code leaves the CPU cache."""


class ReproducibleSteps(Callback):
    """Reseed torch before every step.

    A resumed run then draws the same random numbers as an uninterrupted one, without a saved generator state, and
    random numbers that a callback draws between two steps do not affect the training.

    Args:
        seed: the run's seed.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._seeds: dict[int, int] = {}

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seed the generators from (seed, rank, step)."""
        step = trainer.global_step
        if step not in self._seeds:
            steps = range(step, step + _BLOCK)
            self._seeds = {later: derive_seed("step", self.seed, trainer.global_rank, later) for later in steps}
        seed = self._seeds[step]
        # torch.manual_seed would seed every possible kind of device, and record a stack trace for each uninitialised
        # one: seed only the one in use.
        torch.default_generator.manual_seed(seed)
        if pl_module.device.type == "cuda":
            torch.cuda.manual_seed(seed)
        elif pl_module.device.type == "mps":
            torch.mps.manual_seed(seed)
