"""Images and seconds beside steps: the axes on which methods are compared."""

import time
from typing import Any

from lightning import Callback, LightningModule, Trainer

from genbench.loggers import log_figures


class Clock(Callback):
    """Log `images` and `seconds` since the run began, over all its sessions, and `speed/images_per_second`.

    Args:
        batch_size: images of a step over all processes.
    """

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.seconds = 0.0
        self._last: tuple[float, int] | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the watch."""
        self._last = (time.monotonic(), trainer.global_step)

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Log at the steps at which the method logs."""
        if self._last is None or not pl_module.logs_at(trainer.global_step):
            return
        then, step = self._last
        self._lap(trainer)
        elapsed = time.monotonic() - then
        figures = {
            "images": float(trainer.global_step * self.batch_size),
            "seconds": self.seconds,
            "speed/images_per_second": (trainer.global_step - step) * self.batch_size / max(elapsed, 1e-9),
        }
        log_figures(trainer, figures)

    def state_dict(self) -> dict[str, float]:
        """Return the seconds so far."""
        since = 0.0 if self._last is None else time.monotonic() - self._last[0]
        return {"seconds": self.seconds + since}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Go on from the seconds of an earlier session."""
        self.seconds = state_dict["seconds"]

    def _lap(self, trainer: Trainer) -> None:
        now = time.monotonic()
        if self._last is not None:
            self.seconds += now - self._last[0]
        self._last = (now, trainer.global_step)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the rest."""
        self._lap(trainer)
