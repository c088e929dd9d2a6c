"""A real training in the time that is left, to be looked at."""

import csv
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from genbench.commands.assembly import build_data
from tests.benchmarks.accelerator.form import Form, run_here
from tests.benchmarks.accelerator.numerics import float32_products
from tests.benchmarks.step_speed import Stopwatch, settings, train
from tests.benchmarks.turns import DEVICE

_RESERVE = 20.0
"""Seconds for samples and pictures."""


def rows(form: Form) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return the one training."""
    return {"ddpm_cifar10": partial(measure, form)}


def measure(form: Form) -> dict[str, Any]:
    """Train as long as there is time, and return the loss along the way and a picture of samples."""
    with tempfile.TemporaryDirectory() as folder:
        words, data = _settings(form, Path(folder))
        steps = 20 if form.tiny else _affordable_steps(words, form)
        every = max(1, steps // 20)
        run = [
            *words, f"steps={steps}", f"output={folder}/runs", "name=run", f"trainer.log_every_n_steps={every}",
            "metrics=none", "callbacks.nearest=null", "callbacks.grid.count=64", f"callbacks.grid.every={steps}",
            f"callbacks.checkpoints.every={steps}",
        ]  # fmt: skip
        begun = time.monotonic()
        run_here(["train", *run])
        (table,) = Path(folder, "runs").glob("run/*/metrics.csv")
        with table.open() as file:
            losses = [float(row["loss/denoiser"]) for row in csv.DictReader(file) if row["loss/denoiser"]]
        picture = sorted(table.parent.glob("samples/step_*.png"))[-1]
        name = f"accelerator_{DEVICE.type}_samples.png"
        shutil.copyfile(picture, Path(form.out, name))
    return {
        "data": data,
        "steps": steps,
        "seconds, pictures too": time.monotonic() - begun,
        "loss along the way": ", ".join(f"{loss:.3g}" for loss in losses[:: max(1, len(losses) // 6)]),
        "last loss": losses[-1],
        "picture": name,
    }


def _settings(form: Form, folder: Path) -> tuple[list[str], str]:
    """Return the experiment on the photographs that there are, or on the digits that come with scikit-learn."""
    words = ["experiment=ddpm_cifar10", "sampler=ddim", "method.schedule.warmup_steps=200", "method.ema_decay=0.995"]
    if form.tiny:
        words += ["network.denoiser.width=32", "network.denoiser.blocks=1", "sampler.steps=4", "data.batch_size=8"]
    else:
        words += ["network.denoiser.width=64", "trainer.precision=bf16-mixed", "data.batch_size=256"]
    if form.images is None:
        digits = ["data=digits", "~data.flip", "data.size=16" if form.tiny else "data.size=32"]
        return [*words, *digits], "scikit-learn's digits"
    root = Path(form.images)
    if (root / "train.zip").is_file():
        with zipfile.ZipFile(root / "train.zip") as archive:
            archive.extractall(folder / "photographs")
        root = folder / "photographs"
    elif (root / "train").is_dir():
        root = root / "train"
    size = 16 if form.tiny else 32
    # All images are to train on; each is seen for the first time by a run of minutes.
    words += [f"data.root={root}", f"data.prepared={folder}/prepared", f"data.size={size}", "data.test_every=0"]
    return ["data=image_folder", *words], f"photographs of {Path(form.images).name}"


def _affordable_steps(words: list[str], form: Form) -> int:
    """Return how many steps there is time for, by the pace of a few."""
    config = settings([*words, "metrics=none"])
    watch = Stopwatch(20, 50)
    data = build_data(config)
    data.prepare_data()
    with float32_products(True):
        train(config, data, watch)
    seconds = max(10.0, form.seconds_left() - _RESERVE)
    return max(100, int(0.85 * seconds * watch.steps_per_second))
