"""What makes Python wait for the accelerator within a training step."""

import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, Trainer

from tests.benchmarks.accelerator.form import Form
from tests.benchmarks.accelerator.subjects import SUBJECTS, Subject
from tests.benchmarks.step_speed import train
from tests.benchmarks.turns import DEVICE

_WARM_UP, _STEPS = 10, 20


class Watched(Callback):
    """Have torch warn of each wait in some steps after a warm-up, at none of which figures are logged."""

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Switch the warnings on, and off at the end."""
        if trainer.global_step == _WARM_UP:
            _set_mode("warn")
        if trainer.global_step == _WARM_UP + _STEPS:
            _set_mode("default")
            trainer.should_stop = True


def _set_mode(mode: str) -> None:
    if DEVICE.type == "cuda":
        torch.cuda.set_sync_debug_mode(mode)


def rows(form: Form) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return each method."""
    return {name: partial(measure, subject, form) for name, subject in SUBJECTS.items()}


def measure(subject: Subject, form: Form) -> dict[str, Any]:
    """Return how many waits a step has, and where."""
    config = subject.config(form, "trainer.log_every_n_steps=1000")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            train(config, subject.data(form), Watched())
        finally:
            _set_mode("default")
    waits = [warning for warning in caught if "called a synchronizing" in str(warning.message)]
    places = Counter(f"{Path(warning.filename).name}:{warning.lineno}" for warning in waits)
    where = ", ".join(f"{place} ({count / _STEPS:.3g} a step)" for place, count in places.most_common(5))
    if DEVICE.type != "cuda":
        where = "counted on CUDA alone"
    return {"waits a step": len(waits) / _STEPS, "where": where or "none"}
