"""Random numbers of a training step that depend on (seed, rank, step) alone."""

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from genbench.randomness import derive_seed

_BLOCK = 64
"""Steps whose seeds are derived together: for each by itself NumPy's code would have to come back into the cache."""


class ReproducibleSteps(Callback):
    """Seed torch anew before every step.

    A resumed run then draws what an uninterrupted one would have drawn, without a saved generator state, and nothing
    that a callback draws between two steps disturbs the training.

    Args:
        seed: the run's seed.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._seeds: dict[int, int] = {}

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seed by what the step is."""
        step = trainer.global_step
        if step not in self._seeds:
            steps = range(step, step + _BLOCK)
            self._seeds = {later: derive_seed("step", self.seed, trainer.global_rank, later) for later in steps}
        seed = self._seeds[step]
        # torch.manual_seed would seed every kind of device that there could be, and for each that sleeps keep a stack
        # trace: seed the one in use.
        torch.default_generator.manual_seed(seed)
        if pl_module.device.type == "cuda":
            torch.cuda.manual_seed(seed)
        elif pl_module.device.type == "mps":
            torch.mps.manual_seed(seed)
