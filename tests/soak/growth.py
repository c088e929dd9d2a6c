"""A long training in fast motion: do memory and open files stay flat?"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.soak.kills import RUNS, start

_OFTEN = [
    "metrics=digits", "metrics.count=64", "callbacks.scores.every=50", "callbacks.checkpoints.every=50",
    "trainer.log_every_n_steps=10",
]  # fmt: skip


@dataclass
class Sample:
    """A process at one moment."""

    step: int
    megabytes: float
    open_files: int
    threads: int


def watch_training(folder: Path, *, steps: int, start: Callable[..., Any] = start) -> list[Sample]:
    """Train a tiny GAN with a score and a grid every 50 steps, and look at its process from outside all the while."""
    settings = [word for word in RUNS["gan"] if not word.startswith(("metrics", "callbacks.grid"))]
    grids = ["callbacks.grid.every=50", "callbacks.grid.count=16", "callbacks.grid.max_fraction=1"]
    process = start("train", *settings, *_OFTEN, *grids, f"steps={steps}", f"output={folder}", "name=long")
    samples: list[Sample] = []
    while process.poll() is None:
        step = _last_step(folder)
        if step is not None and (not samples or step > samples[-1].step):
            sample = _look(process.pid, step)
            if sample is not None:
                samples.append(sample)
        time.sleep(0.1)
    if process.returncode:
        raise RuntimeError(f"the long run ended with status {process.returncode}")
    return samples


def _last_step(folder: Path) -> int | None:
    pictures = [int(file.stem.removeprefix("step_")) for file in folder.glob("long/*/samples/step_*.png")]
    return max(pictures, default=None)


def _look(pid: int, step: int) -> Sample | None:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        files, threads = (len(os.listdir(f"/proc/{pid}/{name}")) for name in ("fd", "task"))
    except OSError:  # it has just ended
        return None
    return Sample(step, pages * os.sysconf("SC_PAGE_SIZE") / 1e6, files, threads)
