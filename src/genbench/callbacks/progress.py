"""A progress bar that counts steps, not epochs."""

import sys
from typing import Any

from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class StepProgress(Callback):
    """Show steps, time left and the latest losses; on a terminal a bar, elsewhere ten lines in all."""

    def __init__(self) -> None:
        self._bar: Progress | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar."""
        if trainer.is_global_zero and sys.stderr.isatty():
            columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), "left", TimeRemainingColumn())
            self._bar = Progress(*columns, TextColumn("{task.fields[losses]}"), console=Console(stderr=True))
            self._bar.add_task("steps", total=trainer.max_steps, completed=trainer.global_step, losses="")
            self._bar.start()

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Move the bar."""
        step = trainer.global_step
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=step)
            if pl_module.logs_at(step):
                self._bar.update(self._bar.task_ids[0], losses=_describe(trainer))
        elif trainer.is_global_zero and step % max(1, trainer.max_steps // 10) == 0:
            print(f"step {step} of {trainer.max_steps}  {_describe(trainer)}", file=sys.stderr, flush=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the finished bar."""
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the terminal back before the message comes."""
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _describe(trainer: Trainer) -> str:
    shown = {
        name.split("/", 1)[1]: float(value)
        for name, value in trainer.callback_metrics.items()
        if name.startswith("loss/") or name in ("score/fid", "score/fid_digits")
    }
    return "  ".join(f"{name} {value:.3f}" for name, value in shown.items())
