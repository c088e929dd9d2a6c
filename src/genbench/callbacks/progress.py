"""Progress of a training, in steps instead of epochs."""

import sys
import time
from typing import Any

from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column

from genbench.score_names import plain_score
from genbench.wording import duration

_SHORTEST, _LONGEST = 10.0, 300.0
_SHOWN_SCORES = ("fid", "mae")


class StepProgress(Callback):
    """Show steps, images per second, time left, the latest losses and the last score.

    On a terminal it is a bar. Elsewhere, as in a file or a SLURM job, it prints plain lines: the first after ten
    seconds, then at growing intervals of up to five minutes, and one at the last step.
    """

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._begun = (0.0, 0)
        self._next_line = 0.0
        self._losses: list[str] = []
        self._score: Any = None
        self._score_text = ""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar."""
        self._begun = (time.monotonic(), trainer.global_step)
        self._next_line = self._begun[0] + _SHORTEST
        if trainer.is_global_zero and sys.stderr.isatty():
            # Text that does not fit a narrow terminal is truncated, not wrapped.
            figures = TextColumn("{task.fields[figures]}", table_column=Column(no_wrap=True, overflow="ellipsis"))
            columns = (BarColumn(bar_width=20), MofNCompleteColumn(), figures)
            self._bar = Progress(*columns, console=Console(stderr=True), expand=True)
            self._bar.add_task("steps", total=trainer.max_steps, completed=trainer.global_step, figures="")
            self._bar.start()

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Advance the bar, or print a line if one is due."""
        if not trainer.is_global_zero:
            return
        step = trainer.global_step
        self._read_score(trainer)
        self._losses = list(outputs or {})
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=step)
            if pl_module.logs_at(step):
                self._bar.update(self._bar.task_ids[0], figures=self._describe(trainer))
        elif (now := time.monotonic()) >= self._next_line or step == trainer.max_steps:
            self._next_line = now + min(max((now - self._begun[0]) / 10, _SHORTEST), _LONGEST)
            line = f"step {step:,} of {trainer.max_steps:,}  {self._describe(trainer)}"
            print(line.rstrip(), file=sys.stderr, flush=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the finished bar."""
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Release the terminal before the error message is printed."""
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _read_score(self, trainer: Trainer) -> None:
        """Keep the last score with its step; it was computed after this callback ran, at the step before."""
        for name, value in trainer.callback_metrics.items():
            plain = name.removeprefix("score/")
            if name != plain and plain_score(plain) in _SHOWN_SCORES and value is not self._score:
                self._score = value
                self._score_text = f"{plain} {float(value):.4g} at step {max(trainer.global_step - 1, 0):,}"

    def _describe(self, trainer: Trainer) -> str:
        figures = trainer.callback_metrics
        parts = []
        if "speed/images_per_second" in figures:
            parts.append(f"{float(figures['speed/images_per_second']):,.0f} images/s")
        then, step = self._begun
        done = trainer.global_step - step
        left = (time.monotonic() - then) / max(done, 1) * (trainer.max_steps - trainer.global_step)
        if trainer.global_step < trainer.max_steps:
            parts.append(f"{duration(left)} left")
        losses = {name.removeprefix("loss/"): figures[name] for name in self._losses if name in figures}
        parts += [f"{name} {float(value):.3f}" for name, value in losses.items()]
        return "  ".join([*parts, *([self._score_text] if self._score_text else [])])
