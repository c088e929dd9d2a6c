"""Stop a training that has diverged to NaN or infinity."""

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from genbench.errors import DivergenceError


class Guard(Callback):
    """Stop when a loss or a weight is NaN or infinite, and write no checkpoint with such a weight.

    The losses of all steps are accumulated, but read only every `every` steps: each read synchronises the GPU.

    Args:
        every: steps between two reads.
    """

    def __init__(self, every: int) -> None:
        self.every = max(1, every)
        self._losses: dict[str, list[Tensor]] = {}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Check the losses that the method's step returned.

        Raises:
            DivergenceError: one of them was not finite since the last read.
        """
        for name, loss in (outputs or {}).items():
            self._losses.setdefault(name, []).append(loss.detach())
        if trainer.global_step % self.every and trainer.global_step != trainer.max_steps:
            return
        for name, losses in self._losses.items():
            if not torch.stack(losses).isfinite().all():
                raise _diverged(name, trainer)
        self._losses = {}

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Check the weights before they are written, so that existing checkpoints stay valid.

        Raises:
            DivergenceError: a weight is not finite.
        """
        for name, value in checkpoint["state_dict"].items():
            if value.is_floating_point() and not value.isfinite().all():
                raise _diverged(name, trainer)


def _diverged(name: str, trainer: Trainer) -> DivergenceError:
    return DivergenceError(
        f"{name} is no longer finite at step {trainer.global_step}: the training diverged. "
        "A lower learning rate or another objective may help"
    )
