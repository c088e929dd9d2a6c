"""Checkpoints to resume from, and of the best weights.

Lightning's ModelCheckpoint is built around epochs and validation. With manual optimisation it also warns at each save
that the weights are those after the step, which is intended here.
"""

import math
import sys
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from genbench.errors import UserError
from genbench.logs.loggers import KeepsRows, summarize
from genbench.score_names import better, find_score, ranked


class Checkpoints(Callback):
    """Write `last.ckpt` every `every` steps and at the end, and `best.ckpt` when the watched score improves.

    They are in `checkpoints` of the run folder, written atomically (see `checkpoint_files`).

    This callback must come after those that compute the score and those that may reject the weights.

    Args:
        every: steps between two writings of `last.ckpt`.
        monitor: the score in `trainer.callback_metrics` whose best value is kept; of any extractor if its name has no
            extractor's suffix. `score_names.better` knows whether higher or lower is better.
        keep: steps between checkpoints `step_*.ckpt` that are kept, for a curve of scores later; None for none.

    Raises:
        UserError: `every` or `keep` is not positive, or `monitor` is not a score that ranks methods.
    """

    def __init__(self, every: int, monitor: str, keep: int | None = None) -> None:
        for name, steps in (("every", every), ("keep", keep)):
            if steps is not None and steps < 1:
                raise UserError(f"callbacks.checkpoints.{name} must be at least 1, not {steps}")
        if not monitor.startswith("score/") or better(monitor.removeprefix("score/")) is None:
            known = ", ".join(f"score/{name}" for name in ranked())
            raise UserError(
                f"callbacks.checkpoints.monitor={monitor} is not a score that ranks methods: choose one of {known}"
            )
        self.every = every
        self.keep = keep
        self.monitor = monitor
        self.best_score: float | None = None
        self._latest: Any = None
        self._missed = False
        self._saved_step: int | None = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save the checkpoints that are due."""
        step, folder = trainer.global_step, Path(trainer.default_root_dir) / "checkpoints"
        name = find_score(self.monitor, trainer.callback_metrics)
        if name is None and not self._missed:
            self._say_if_missed(trainer)
        score = None if name is None else trainer.callback_metrics[name]
        # The entry remains between two scores; a new score is a new object.
        if name is not None and score is not None and score is not self._latest:
            self._latest = score
            if self._improves(float(score)):
                self.best_score = float(score)
                summarize(trainer, {f"best/{name.removeprefix('score/')}": self.best_score, "best/step": step})
                trainer.save_checkpoint(folder / "best.ckpt")
        if self.keep is not None and step % self.keep == 0:
            trainer.save_checkpoint(folder / f"step_{step:07d}.ckpt")
        if step % self.every == 0 or step == trainer.max_steps:
            self.save_last(trainer)

    def _say_if_missed(self, trainer: Trainer) -> None:
        """Warn once if the first scores lack the monitored one, so that no checkpoint is kept as the best."""
        ranked = [name for name in trainer.callback_metrics if better(name.removeprefix("score/")) is not None]
        came = sorted(name for name in ranked if name.startswith("score/"))
        if came and trainer.is_global_zero:
            print(
                f"genbench: warning: callbacks.checkpoints.monitor={self.monitor} is not among the computed scores "
                f"({', '.join(came)}): no checkpoint is kept as the best",
                file=sys.stderr,
                flush=True,
            )
        self._missed = bool(came)

    def _improves(self, score: float) -> bool:
        # NaN is not an improvement, and nothing could improve on it.
        if not math.isfinite(score) or self.best_score is None:
            return math.isfinite(score)
        if better(self.monitor.removeprefix("score/")) == "max":
            return score > self.best_score
        return score < self.best_score

    def save_last(self, trainer: Trainer) -> None:
        """Write `last.ckpt`, unless this step's state has been written already."""
        if self._saved_step == trainer.global_step:
            return
        # Rows of metrics.csv before the checkpoint are not computed again when the run resumes.
        for logger in trainer.loggers:
            if isinstance(logger, KeepsRows):
                logger.write()
        trainer.save_checkpoint(Path(trainer.default_root_dir) / "checkpoints" / "last.ckpt")
        self._saved_step = trainer.global_step

    def state_dict(self) -> dict[str, Any]:
        """Return the best score so far."""
        return {"best_score": self.best_score}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best score of earlier sessions."""
        self.best_score = state_dict["best_score"]
