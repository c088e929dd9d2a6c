"""End a training early without losing work: on Ctrl-C, preemption of a job, or a limit of the trainer."""

import signal
from types import FrameType
from typing import Any

from lightning import Callback, LightningModule, Trainer

from genbench.callbacks.checkpoints import Checkpoints
from genbench.callbacks.online_scores import OnlineScores

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""Ctrl-C; what SLURM sends when it ends a job; what sbatch --signal and submitit send before a time limit."""


class Interruption(Callback):
    """After a signal, finish the step, write a checkpoint and stop the trainer.

    Other limits that end a training before its last step, such as `trainer.max_time`, leave time for scores as well.

    The handler only sets a flag: a checkpoint written inside a handler could be torn by the next signal. All processes
    of a run stop at the same step, whichever of them received the signal; as this takes communication, they do it every
    `every` steps. A second Ctrl-C ends the process at once.

    It must come after all callbacks that process a step, so that their state in the checkpoint includes it.

    Args:
        every: steps between two synchronisations of several processes.

    Attributes:
        received: the signal that ended the training; None if none did.
    """

    def __init__(self, every: int = 10) -> None:
        self.every = every
        self.received: signal.Signals | None = None
        self._noted: signal.Signals | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Install the signal handlers. Lightning restores the old ones when the training ends."""
        for number in SIGNALS:
            signal.signal(number, self._note)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop if one of the processes received a signal."""
        step = trainer.global_step
        if step == trainer.max_steps:
            return
        if trainer.should_stop:
            # Another callback has stopped it: a checkpoint of a finished epoch would begin that epoch anew.
            _save(trainer)
            return
        if _ends_the_last_epoch(trainer):
            _score_and_save(trainer, pl_module)
            return
        if trainer.world_size > 1:
            if step % self.every:
                return
            must_stop = trainer.strategy.reduce_boolean_decision(self._noted is not None, all=False)
        else:
            must_stop = self._noted is not None
        if must_stop:
            # Another process received it: this one stops in the same way.
            self.received = self._noted or signal.SIGTERM
            _save(trainer)
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score and save if a limit of the trainer ended the training in the middle of an epoch."""
        if self.received is None and 0 < trainer.global_step < trainer.max_steps:
            _score_and_save(trainer, pl_module)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._noted is not None:
            raise KeyboardInterrupt
        self._noted = signal.Signals(number)


def _ends_the_last_epoch(trainer: Trainer) -> bool:
    """Whether `trainer.max_epochs` ends the training with this step.

    A checkpoint saved later would make Lightning begin the next epoch twice when the run resumes.
    """
    last = trainer.max_epochs
    return last not in (None, -1) and trainer.is_last_batch and trainer.current_epoch + 1 >= last


def _score_and_save(trainer: Trainer, method: LightningModule) -> None:
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, OnlineScores):
            callback.score_now(trainer, method)
    _save(trainer)


def _save(trainer: Trainer) -> None:
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, Checkpoints):
            callback.save_last(trainer)
