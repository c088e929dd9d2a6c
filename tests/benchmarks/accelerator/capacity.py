"""The largest batch that a method can train on."""

import gc
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from genbench.errors import first_line
from tests.benchmarks.accelerator.form import Form
from tests.benchmarks.accelerator.numerics import float32_products
from tests.benchmarks.accelerator.subjects import SUBJECTS, Subject
from tests.benchmarks.noise_data import NoiseData
from tests.benchmarks.step_speed import Stopwatch, peak_memory, train

_MOST, _MOST_TINY = 65_536, 16
_MOST_SECONDS, _RESERVE = 10.0, 5.0


def rows(form: Form) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return the methods whose memory matters."""
    return {
        f"{name}, bf16": partial(measure, SUBJECTS[name], form) for name in ("DDPM, 32", "DDPM, 64", "GAN, 64 pixels")
    }


def measure(subject: Subject, form: Form) -> dict[str, Any]:
    """Double the batch until memory is full."""
    config = subject.config(form, "trainer.precision=bf16-mixed")
    batch, most = subject.data(form).batch_size, _MOST_TINY if form.tiny else _MOST
    figures: dict[str, Any] = {}
    begun = time.monotonic()
    while batch <= most:
        watch = Stopwatch(1, 1)
        data = NoiseData(subject.shape_of(form), batch)
        try:
            with float32_products(True):
                mib = peak_memory(lambda: train(config, data, watch))  # noqa: B023
        except torch.OutOfMemoryError:
            return {**figures, "stopped by": "memory"}
        except RuntimeError as error:
            # Some kernels count in 32 bits; pinned memory is scarce, too.
            return {**figures, "stopped by": first_line(error)}
        figures = {"images": batch, "GiB": mib / 1024, "images/s": watch.steps_per_second * batch}
        if form.seconds_left() < _RESERVE or time.monotonic() - begun > _MOST_SECONDS:
            return {**figures, "stopped by": "time"}
        del data
        gc.collect()
        batch *= 2
    return {**figures, "stopped by": f"the end of what is tried, {most}"}
