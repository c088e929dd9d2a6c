"""Runs that are killed at random moments and go on: do they end as one that nobody disturbed?"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.commands.test_train import assert_same, last_checkpoint, table

_TINY = ["data.size=8", "data.batch_size=16", "trainer.accelerator=cpu", "metrics=none", "callbacks.grid=null"]
RUNS = {
    "gan": [
        "experiment=gan_digits", "network=mlp", "network.generator.hidden=[64]", "network.discriminator.hidden=[64]",
        "method.latent_dim=8", *_TINY,
    ],
    "ddpm": [
        "experiment=ddpm_digits", "network.denoiser.width=8", "network.denoiser.multipliers=[1,2]",
        "network.denoiser.attention=[]", "network.denoiser.dropout=0.1", *_TINY,
    ],
}  # fmt: skip
"""A GAN and a diffusion model, small enough that writing checkpoints is a good part of their time."""

_EVERY = ["callbacks.checkpoints.every=10", "trainer.log_every_n_steps=5"]
_OF_THE_CLOCK = ("seconds", "speed/")
_THREADS = {"OMP_NUM_THREADS": "1"}


@dataclass
class Killed:
    """What a run that was killed went through.

    Attributes:
        kills: how often it was.
        in_writing: how many of these left a half-written file beside the real ones.
        before_any: how many came before the first checkpoint.
        differences: what of its end differs from the undisturbed run's.
    """

    kills: int = 0
    in_writing: int = 0
    before_any: int = 0
    differences: list[str] = field(default_factory=list)


def start(*words: str) -> "subprocess.Popen[str]":
    """Start a command of GenBench in an interpreter of its own."""
    command = [sys.executable, "-m", "genbench", *words]
    return subprocess.Popen(
        command, env=os.environ | _THREADS, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def kill_and_resume(
    kind: str, folder: Path, *, kills: int, steps: int, seed: int = 0, start: Callable[..., Any] = start
) -> Killed:
    """Train a run undisturbed, then one that is killed with SIGKILL at random moments and resumed each time."""
    choose = random.Random(seed)
    settings = [*RUNS[kind], *_EVERY, f"steps={steps}", f"output={folder}"]
    whole = _finish(start("train", *settings, "name=whole"), folder / "whole")
    seconds = json.loads((whole / "manifest.json").read_text())["seconds"]
    result = Killed()
    words = [*settings, "name=killed"]
    for _ in range(kills):
        before = _last_begun(folder / "killed")
        process = start("train", *words)
        while process.poll() is None and _last_begun(folder / "killed") == before:
            time.sleep(0.01)
        # Soon enough that as many kills as are asked for find it at work.
        time.sleep(choose.uniform(0, seconds / kills))
        process.kill()
        if process.wait() != -signal.SIGKILL:
            _finish(process, folder / "killed")
            break
        (killed,) = (folder / "killed").iterdir()
        result.kills += 1
        result.in_writing += bool(list(killed.rglob("*.part")))
        result.before_any += not list(killed.glob("checkpoints/*.ckpt"))
        words = [f"run={killed}"]
        if "steps" in json.loads((killed / "manifest.json").read_text()):
            # All was done, and only the process was left.
            break
    else:
        _finish(start("train", *words), folder / "killed")
    result.differences = compare(whole, killed)
    return result


def compare(one: Path, two: Path) -> list[str]:
    """Return what differs between two runs' ends: weights, averages, optimizers and figures, to the bit."""
    states = [last_checkpoint(path) for path in (one, two)]
    differences: list[str] = []
    for part in ("global_step", "state_dict", "optimizer_states"):
        try:
            assert_same(states[0][part], states[1][part], part)
        except AssertionError as difference:
            differences.append(str(difference))
    if figures(one) != figures(two):
        differences.append("metrics.csv")
    return differences


def figures(folder: Path) -> list[dict[str, str]]:
    """Return the figures of a run, but for those of the clock."""
    return [{name: value for name, value in row.items() if not name.startswith(_OF_THE_CLOCK)} for row in table(folder)]


def _finish(process: Any, runs: Path) -> Path:
    """Wait for the end of a run, the only one in its folder, which is returned."""
    _, said = process.communicate()
    if process.returncode:
        raise RuntimeError(f"a session ended with status {process.returncode}: {said}")
    (folder,) = runs.iterdir()
    return folder


def _last_begun(runs: Path) -> int:
    """Return when the last session wrote its beginning into the manifest, just before its first step."""
    return max((file.stat().st_mtime_ns for file in runs.glob("*/manifest.json")), default=0)
