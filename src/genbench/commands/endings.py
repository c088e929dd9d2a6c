"""How a training ends when it does not reach its last step: one clear message, and nothing lost."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from lightning import Trainer
from lightning.fabric.plugins.environments import SLURMEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Timer

from genbench.abilities import Draws, EmbedsTexts
from genbench.callbacks.early_stopping import EarlyStopping
from genbench.commands.place import is_first_process
from genbench.conditions.captions import Captions
from genbench.errors import EarlyEndError, StoppedError, TrainingError, UserError
from genbench.runs.folder import RunFolder
from genbench.unforeseen import CANT_WRITE, describe, keep_trace
from genbench.wording import for_pasting

STOPPED_EARLY = "stopped early"
"""How a run ended, in its manifest, that `callbacks.early_stopping` has brought to its end."""

_REQUEUES = (signal.SIGUSR1, signal.SIGUSR2)
"""What asks for another turn. On SIGTERM it is SLURM that decides: a preempted job it requeues by itself, a cancelled
one not."""


def what_next(folder: RunFolder, method: object) -> None:
    """Print the commands that a run may be followed by."""
    print("what next:")
    if isinstance(method, Draws):
        # The data of published weights, whose captions would be drawn, is mostly elsewhere.
        asks = isinstance(getattr(method, "condition", None), Captions) and "imported" in folder.read_manifest()
        prompt = {"prompt": "a photo of a cat"} if asks else {}
        print(f"  {for_pasting('sample', run=folder.path, count=64, seed=3, **prompt)}")
        print(f"  {for_pasting('evaluate', run=folder.path, metrics='full')}")
    if isinstance(method, EmbedsTexts):
        print(f"  {for_pasting('classify', run=folder.path, images='PATH', labels='[cat,dog]')}")
    print(f"  {for_pasting('report', runs=folder.path)}", flush=True)


@contextmanager
def explained(trainer: Trainer, folder: RunFolder) -> Iterator[None]:
    """Turn what ends a training into one message that says where it stands and how it goes on.

    The trace of an error that nobody foresaw goes into `error.txt` of the run folder.

    Raises:
        TrainingError: an error ended the training.
        StoppedError: the user did, without waiting for a checkpoint.
    """
    try:
        yield
    except TrainingError as error:
        raise type(error)(f"{error}. {_way_on(folder)}") from error
    except UserError:
        raise
    except (KeyboardInterrupt, SystemExit) as error:
        # Lightning turns the one into the other.
        message = f"interrupted at step {trainer.global_step}. {_way_on(folder)}"
        raise StoppedError(message, signal.SIGINT) from error
    except OSError as error:
        if error.errno not in CANT_WRITE:
            raise _unforeseen(error, trainer, folder) from error
        message = f"{error.filename or folder.path} can't be written: {error.strerror}"
        raise TrainingError(f"{message}. {_way_on(folder)}") from error
    except MisconfigurationException as error:
        if trainer.max_epochs in (None, -1) or "max_epochs" not in str(error):
            raise _unforeseen(error, trainer, folder) from error
        raise UserError(
            f"{folder.path} has had its trainer.max_epochs={trainer.max_epochs} epochs already: give more, or -1 to "
            "let steps alone end it"
        ) from error
    except Exception as error:
        raise _unforeseen(error, trainer, folder) from error


def _unforeseen(error: Exception, trainer: Trainer, folder: RunFolder) -> TrainingError:
    message = f"the training stopped at step {trainer.global_step} by {describe(error)}"
    return TrainingError(f"{message}. {keep_trace(error, folder.path)}{_way_on(folder)}")


def stop(trainer: Trainer, folder: RunFolder, received: signal.Signals) -> None:
    """End a training that a signal stopped after a checkpoint; within a job of SLURM, queue the job again if asked to.

    Raises:
        StoppedError: always, in the first process; the others end well, or what watches them would kill it.
    """
    if not trainer.is_global_zero:
        return
    message = f"stopped by {received.name} after step {trainer.global_step}. {_way_on(folder)}"
    job = SLURMEnvironment.job_id()
    if received in _REQUEUES and job is not None:
        # First the word: SLURM ends the processes of a job that it puts back into its queue.
        print(f"genbench: {message}", file=sys.stderr, flush=True)
        message = _requeue(job)
    raise StoppedError(message, received)


def stopped_early(trainer: Trainer) -> str | None:
    """Return why early stopping ended the training; None if it did not."""
    stopping = (one for one in trainer.callbacks if isinstance(one, EarlyStopping))  # type: ignore[attr-defined]
    return next((one.reason for one in stopping if one.reason is not None), None)


def end_early(trainer: Trainer, folder: RunFolder, limits: Mapping[str, Any]) -> None:
    """End a training that a limit of the trainer stopped after a checkpoint.

    Args:
        trainer: of the run.
        folder: of the run.
        limits: the settings of the trainer.

    Raises:
        EarlyEndError: always.
    """
    lifted: dict[str, int | None] = {}
    if limits.get("max_epochs") not in (None, -1) and trainer.current_epoch >= limits["max_epochs"]:
        lifted["max_epochs"] = -1
    elif limits.get("max_time") is not None:
        # Lightning counts it over all sessions.
        lifted["max_time"] = None
    reached = ", ".join(f"trainer.{name}={limits[name]}" for name in lifted) or "a callback"
    way_on = _way_on(
        folder, **{f"trainer.{name}": "null" if value is None else value for name, value in lifted.items()}
    )
    raise EarlyEndError(
        f"{reached} ended the training after {trainer.global_step} of {trainer.max_steps} steps. {way_on}"
    )


def why_no_batch(trainer: Trainer) -> str:
    """Return why a training ended before its first step, and the remedy."""
    timers = (one for one in trainer.callbacks if isinstance(one, Timer))  # type: ignore[attr-defined]
    if any((left := timer.time_remaining()) is not None and left <= 0 for timer in timers):
        return (
            "the run has had its trainer.max_time, which counts over all its sessions: give more, or null for no limit"
        )
    return (
        "the settings of the trainer leave no batch, as limit_train_batches=0 does, and max_epochs of a run that has "
        "had as many"
    )


def remember_end(folder: RunFolder, error: TrainingError) -> None:
    """Keep in the manifest how a session ended before its last step, for whoever looks at the run later."""
    if not is_first_process():
        return
    how = "stopped" if isinstance(error, StoppedError | EarlyEndError) else "failed"
    # What is written here may be what failed: a full disk.
    with suppress(OSError, UserError):
        folder.add_to_manifest(ended={"how": how, "why": str(error)})


def _requeue(job: int) -> str:
    try:
        subprocess.run(["scontrol", "requeue", str(job)], check=True, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", None) or error).strip()
        return f"Job {job} could not be requeued ({said}): submit it again"
    return f"Job {job} is queued again"


def _way_on(folder: RunFolder, **settings: Any) -> str:
    # Named, not read: a preempted job has seconds left. Whoever goes on from it compares its checksums.
    checkpoints = folder.newest_checkpoints()
    if not checkpoints:
        return "No checkpoint had been written yet"
    return (
        f"The last good checkpoint is {checkpoints[0]}; go on with: {for_pasting('train', run=folder.path, **settings)}"
    )
