"""Scores during training."""

from typing import Any

from lightning import Callback, Trainer
from torch import Tensor

from genbench.errors import UserError
from genbench.loggers import log_figures
from genbench.metrics.conditions import plan_conditions
from genbench.metrics.evaluator import Evaluator, Scores


class OnlineScores(Callback):
    """Log `score/<name>` of the averaged weights every `every` steps; all processes share the work.

    The reference is the training split. The scores at a step can be had from `trainer.callback_metrics`, where
    `Checkpoints` looks for the best.

    Args:
        evaluator: draws and scores the images.
        every: steps between two scores.

    Raises:
        UserError: `every` is not positive.
    """

    def __init__(self, evaluator: Evaluator, every: int) -> None:
        if every < 1:
            raise UserError(f"callbacks.scores.every must be at least 1, not {every}")
        self.evaluator = evaluator
        self.every = every
        self.latest: Scores | None = None
        self._conditions: Tensor | None = None

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Measure the reference once."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        self.evaluator.set_reference(
            data, device=pl_module.device, rank=trainer.global_rank, world_size=trainer.world_size
        )
        if pl_module.is_conditional:
            self._conditions, _ = plan_conditions(data, self.evaluator.count)

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Score if it is time."""
        step = trainer.global_step
        if step % self.every and step != trainer.max_steps:
            return
        scores = self.evaluator.score_method(
            pl_module.sample, pl_module.device, trainer.global_rank, trainer.world_size, self._conditions
        )
        self.latest = scores
        figures = {f"score/{name}": value for name, value in scores.values.items()}
        if self.evaluator.seconds_per_image is not None:
            figures["speed/seconds_per_sample"] = self.evaluator.seconds_per_image
        log_figures(trainer, figures)
