"""Images and seconds as further axes beside steps, on which methods are compared."""

import resource
import sys
import time
from typing import Any, NamedTuple

import torch
from lightning import Callback, LightningModule, Trainer

from genbench.logs.loggers import log_figures


class Clock(Callback):
    """Keep the axes `images` and `seconds` since the run began, over all its sessions, and log the speed.

    `speed/images_per_second` includes all time, also that of scores and pictures; `speed/step_seconds` is the mean
    duration of a step alone, `speed/data_wait` the fraction of time spent waiting for batches, `speed/memory_gib` the
    peak memory so far: of the GPU, or of the process if there is none.

    Args:
        batch_size: images per step over all processes.
    """

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.seconds = 0.0
        self._since: float | None = None
        self._last: _Lap | None = None
        self._step_began = 0.0
        self._in_steps = 0.0

    def axes(self, trainer: Trainer) -> dict[str, float]:
        """Return `images` and `seconds` since the run began."""
        return {"images": float(trainer.global_step * self.batch_size), "seconds": self._seconds()}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._since = time.monotonic()
        self._last = self._lap(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Record when a step begins, after its batch is loaded."""
        self._step_began = time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Log at the same steps as the method."""
        self._in_steps += time.monotonic() - self._step_began
        if self._last is None or not pl_module.logs_at(trainer.global_step):
            return
        now, then = self._lap(trainer), self._last
        self._last = now
        steps, elapsed = now.step - then.step, max(now.seconds - then.seconds, 1e-9)
        figures = {
            "speed/images_per_second": steps * self.batch_size / elapsed,
            "speed/step_seconds": (now.in_steps - then.in_steps) / steps,
            "speed/memory_gib": _peak_memory(pl_module.device) / 2**30,
        }
        if now.waited is not None and then.waited is not None:
            figures["speed/data_wait"] = (now.waited - then.waited) / elapsed
        log_figures(trainer, figures)

    def state_dict(self) -> dict[str, float]:
        """Return the seconds so far."""
        return {"seconds": self._seconds()}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Restore the seconds of earlier sessions."""
        self.seconds = state_dict["seconds"]

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock."""
        self.seconds, self._since = self._seconds(), None

    def _seconds(self) -> float:
        return self.seconds + (0.0 if self._since is None else time.monotonic() - self._since)

    def _lap(self, trainer: Trainer) -> "_Lap":
        waited = getattr(trainer.train_dataloader, "seconds_spent", None)
        return _Lap(trainer.global_step, self._seconds(), self._in_steps, waited)


class _Lap(NamedTuple):
    step: int
    seconds: float
    in_steps: float
    waited: float | None


def _peak_memory(device: torch.device) -> float:
    """Return the peak memory in bytes."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    # ru_maxrss is in KiB, on macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
