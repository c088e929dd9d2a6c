"""Scores during training."""

from dataclasses import replace
from typing import Any

from lightning import Callback, Trainer

from genbench.callbacks.pictures import draws
from genbench.callbacks.sample_grid import SampleGrid
from genbench.callbacks.spacing import Spacing
from genbench.conditions.base import Conditions
from genbench.errors import UserError
from genbench.logs.loggers import log_figures
from genbench.metrics.conditions import held_out, plan
from genbench.metrics.evaluator import Evaluator, Scores
from genbench.metrics.material import Origin
from genbench.randomness import CHUNK
from genbench.sampling import sample_set


class OnlineScores(Callback):
    """Log `score/<name>` of the averaged weights every `every` steps and at the end; all processes share the work.

    Scores that would take more than `max_fraction` of the run's time are skipped, except the last (see `Spacing`). The
    reference is the training split. The scores of a step are in `trainer.callback_metrics`, where `Checkpoints` finds
    the best.

    Args:
        evaluator: draws and scores the images.
        every: steps between two scores.
        max_fraction: largest fraction of the run's time that scores before the last may take; 1 for no limit.

    Raises:
        UserError: `every` is not positive.
    """

    def __init__(self, evaluator: Evaluator, every: int, max_fraction: float = 0.05) -> None:
        if every < 1:
            raise UserError(f"callbacks.scores.every must be at least 1, not {every}")
        self.spacing = Spacing("callbacks.scores.max_fraction", max_fraction)
        self.evaluator = evaluator
        self.every = every
        self.latest: Scores | None = None
        self._scored_step: int | None = None
        self._conditions: Conditions | None = None
        self._origin: Origin | None = None
        self._protocol: dict[str, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Compute the reference once, as far as a score needs it."""
        if not draws(pl_module):
            return
        data = trainer.datamodule  # type: ignore[attr-defined]
        rows = None
        if pl_module.condition is not None:
            planned = plan(pl_module, data, self.evaluator.count)
            self._conditions, rows, self._protocol["conditions"] = planned.conditions, planned.rows, planned.description
        self._origin = Origin(pl_module, data, held_out(data), rows)
        self.evaluator.set_reference(
            data,
            device=pl_module.device,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
            origin=self._origin,
        )

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Score if a score is due."""
        if not draws(pl_module):
            return
        step = trainer.global_step
        if step != trainer.max_steps:
            if step % self.every:
                return
            if self.spacing.is_unknown(trainer):
                self.spacing.expect(self._expected_seconds(trainer, pl_module))
            # All processes score together, so they use the first one's clock.
            if not trainer.strategy.broadcast(self.spacing.allows(trainer)):
                return
        self.score_now(trainer, pl_module)

    def score_now(self, trainer: Trainer, pl_module: Any) -> None:
        """Score, unless this step has been scored already."""
        if draws(pl_module) and self._scored_step != trainer.global_step:
            self._scored_step = trainer.global_step
            with self.spacing.measured(trainer), pl_module.whole_averages():
                self._score(trainer, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """Return the time spent so far."""
        return self.spacing.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the time spent in earlier sessions."""
        self.spacing.load_state_dict(state_dict)

    def _expected_seconds(self, trainer: Trainer, method: Any) -> float:
        """Estimate how long drawing the images of a score will take, from the last grid or a few images."""
        grids = (one for one in trainer.callbacks if isinstance(one, SampleGrid))  # type: ignore[attr-defined]
        chunk = next((one.spacing.last / -(-one.count // CHUNK) for one in grids if one.spacing.last), None)
        if chunk is None or trainer.world_size > 1:
            # With several processes only the first draws grids, and all must make the same decisions.
            before = self.spacing.seconds
            conditions = None if self._conditions is None else self._conditions[:CHUNK]
            with self.spacing.measured(trainer), method.whole_averages():
                sample_set(method.sample, CHUNK, self.evaluator.seed, method.medium, conditions)
            chunk = self.spacing.seconds - before
        return chunk * self.evaluator.count / CHUNK

    def _score(self, trainer: Trainer, method: Any) -> None:
        scores = self.evaluator.score_method(
            method.sample, method.device, trainer.global_rank, trainer.world_size, self._conditions, self._origin
        )
        self.latest = replace(scores, protocol=scores.protocol | self._protocol)
        figures = {f"score/{name}": value for name, value in scores.values.items()}
        if self.evaluator.seconds_per_image is not None:
            figures["speed/seconds_per_sample"] = self.evaluator.seconds_per_image
        log_figures(trainer, figures)
