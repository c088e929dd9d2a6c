"""End a training whose score no longer improves."""

import math
from typing import Any, Literal

from lightning import Callback, LightningModule, Trainer

from genbench.errors import UserError
from genbench.score_names import better, find_score, ranked


class EarlyStopping(Callback):
    """Stop the trainer after `patience` scores in a row of which none is better than the best so far.

    It must come after the callback that computes the score and before those that save checkpoints, so that the state in
    a checkpoint includes the step's score. A run that it has stopped begins to count anew when it goes on.

    Args:
        monitor: the score in `trainer.callback_metrics` that is watched; of any extractor if it names none.
        patience: how many scores without an improvement end the training; None for no early stopping.
        min_delta: by how much a score must be better to be an improvement.
        mode: whether a lower ("min") or a higher score ("max") is better; None for what is known of the score, see
            `score_names.better`.

    Raises:
        UserError: an argument is out of range, or nothing is known of which end of the score is better.
    """

    def __init__(
        self,
        monitor: str = "score/fid",
        patience: int | None = None,
        min_delta: float = 0.0,
        mode: Literal["min", "max"] | None = None,
    ) -> None:
        if patience is not None and patience < 1:
            raise UserError(f"callbacks.early_stopping.patience must be at least 1, not {patience}")
        if not min_delta >= 0:
            raise UserError(f"callbacks.early_stopping.min_delta must be at least 0, not {min_delta}")
        known = better(monitor.removeprefix("score/")) if monitor.startswith("score/") else None
        if mode is None and known is None:
            raise UserError(
                f"callbacks.early_stopping.monitor={monitor} is not a score that ranks methods: choose one of "
                f"{', '.join(f'score/{name}' for name in ranked())}"
            )
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.mode = mode or known
        self.best: float | None = None
        self.best_step = 0
        self.waited = 0
        """Scores since the best one."""
        self.reason: str | None = None
        """Why the training was stopped; None if it was not."""
        self._latest: Any = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at a new score, and stop the trainer if it has waited long enough."""
        if self.patience is None:
            return
        name = find_score(self.monitor, trainer.callback_metrics)
        score = None if name is None else trainer.callback_metrics[name]
        # The entry remains between two scores; a new score is a new object.
        if name is None or score is None or score is self._latest:
            return
        self._latest = score
        # The first process decides for all: rounding must not part them.
        value = float(trainer.strategy.broadcast(float(score)))
        if self._improves(value):
            self.best, self.best_step, self.waited = value, trainer.global_step, 0
            return
        self.waited += 1
        if self.waited >= self.patience and trainer.global_step < trainer.max_steps:
            best = "has not been a finite number" if self.best is None else f"has not improved on {self.best:.4g}"
            since = f" of step {self.best_step}" if self.best is not None else ""
            self.reason = f"{name} {best}{since} in {self.waited} scores"
            trainer.should_stop = True

    def _improves(self, score: float) -> bool:
        # NaN is not an improvement, and nothing could improve on it.
        if not math.isfinite(score) or self.best is None:
            return math.isfinite(score)
        gain = score - self.best if self.mode == "max" else self.best - score
        return gain > self.min_delta

    def state_dict(self) -> dict[str, Any]:
        """Return the best score so far and how long ago it was."""
        return {"best": self.best, "best_step": self.best_step, "waited": self.waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore them; a run that was stopped waits anew."""
        self.best, self.best_step = state_dict["best"], state_dict["best_step"]
        waited = state_dict["waited"]
        self.waited = 0 if self.patience is not None and waited >= self.patience else waited
