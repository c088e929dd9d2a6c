"""A run that is killed and resumed beside one that is not."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks.accelerator.form import Form, environment, run_here

_FACTOR, _LEAST = 3, 1e-6

_KILLED = """
import os, signal, sys
from genbench.__main__ import main
from genbench.callbacks.clock import Clock

logs, last = Clock.on_train_batch_end, int(sys.argv[1])

def log_and_die(clock, trainer, *arguments):
    logs(clock, trainer, *arguments)
    if trainer.global_step == last:
        os.kill(os.getpid(), signal.SIGKILL)

Clock.on_train_batch_end = log_and_die
sys.exit(main(sys.argv[2:]))
"""
"""A run that nothing warns of its end, between two checkpoints."""


def rows(form: Form) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return two methods: one with the scale of fp16, one with two players and BatchNorm."""
    width = ["network.denoiser.width=8", "data.size=8"] if form.tiny else []
    narrow = [f"network.{player}.width=4" for player in ("generator", "discriminator")] if form.tiny else []
    return {
        "DDPM, fp16": partial(measure, ["experiment=ddpm_digits", "trainer.precision=16-mixed", *width], form),
        "GAN, TF32": partial(measure, ["experiment=gan_digits", *narrow], form),
    }


def measure(words: list[str], form: Form) -> dict[str, Any]:
    """Kill a run between two checkpoints, go on with it, and compare it with two that were left alone."""
    steps = 30 if form.tiny else 150
    # Without it a GPU adds in another order each time, and after some steps two runs are as far apart as any.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    every = steps // 3
    settings = [*words, f"steps={steps}", "data.batch_size=32", f"callbacks.checkpoints.every={every}"]
    settings += ["metrics=none", "callbacks.grid=null", "callbacks.nearest=null", "name=run"]
    settings += ["trainer.deterministic=warn"]
    with tempfile.TemporaryDirectory() as folder:
        killed = _kill([*settings, f"output={folder}/killed"], every + every // 2, Path(folder, "killed"))
        run_here(["train", f"run={killed}"])
        for name in ("whole", "again"):
            run_here(["train", *settings, f"output={folder}/{name}"])
        resumed, whole, again = (_weights(Path(folder, name)) for name in ("killed", "whole", "again"))
    difference, usual = _difference(resumed, whole), _difference(again, whole)
    return {
        "steps": steps,
        "killed after step": every + every // 2,
        "resumed and whole": difference,
        "whole and whole": usual,
        "equal": difference <= max(_LEAST, _FACTOR * usual),
    }


def _kill(words: list[str], step: int, output: Path) -> Path:
    """Begin a run that kills itself after a step; return its folder."""
    command = [sys.executable, "-c", _KILLED, str(step), "train", *words]
    process = subprocess.run(command, check=False, stdout=2, env=environment())
    if process.returncode != -signal.SIGKILL:
        raise RuntimeError(f"the run to be killed ended by itself with status {process.returncode}")
    (folder,) = output.glob("run/*")
    return folder


def _weights(output: Path) -> dict[str, torch.Tensor]:
    (file,) = output.glob("run/*/checkpoints/last.ckpt")
    state: dict[str, torch.Tensor] = torch.load(file, map_location="cpu", weights_only=True)["state_dict"]
    return {name: value.double() for name, value in state.items() if value.is_floating_point()}


def _difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    squares = [sum(float(value.square().sum()) for value in values) for values in (
        [one[name] - other[name] for name in other], list(other.values()),
    )]  # fmt: skip
    return float((squares[0] / squares[1]) ** 0.5)
