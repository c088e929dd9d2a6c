"""Training steps of GenBench beside plain PyTorch loops over the same networks and data, in turns.

    make bench

Each loop does the same work: the steps of all networks and an update of the average. GenBench also logs, guards, shows
its progress and keeps its clock at their usual intervals; grids, scores and checkpoints are pauses between steps and
are left out of both. Memory is the peak of all tensors: networks, their average, optimizers, what a step makes.
"""

import itertools
import json
import tempfile
import time
from collections.abc import Callable
from typing import Any

from hydra.utils import instantiate
from lightning import Callback, Trainer
from omegaconf import DictConfig
from torch.profiler import ProfilerActivity, profile

from genbench.callbacks.clock import Clock
from genbench.callbacks.guard import Guard
from genbench.callbacks.progress import StepProgress
from genbench.callbacks.reproducible_steps import ReproducibleSteps
from genbench.commands.assembly import build_data, build_method, compile_networks
from genbench.commands.train import quieten
from genbench.config import compose_config
from genbench.data.base import ImageData
from genbench.loggers import CSVTable
from tests.benchmarks.plain_loops import LOOPS
from tests.benchmarks.turns import Comparison, in_turns

WARM_UP, SECONDS, ROUNDS = 10, 2.5, 11


class Stopwatch(Callback):
    """Note when the warm-up and the last step were done."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step in (WARM_UP, trainer.max_steps):
            self.times.append(time.perf_counter())


def genbench_steps(config: DictConfig, data: ImageData, steps: int) -> float:
    """Return GenBench's steps per second over `steps` of them, after the warm-up."""
    stopwatch = Stopwatch()
    method = build_method(config, data)
    if config.compile:
        compile_networks(method)
    with tempfile.TemporaryDirectory() as folder:
        callbacks = [ReproducibleSteps(0), Clock(data.batch_size), StepProgress(), Guard(50), stopwatch]
        options = {"max_steps": WARM_UP + steps, "default_root_dir": folder}
        trainer = instantiate(config.trainer, logger=[CSVTable(folder)], callbacks=callbacks, **options)
        trainer.fit(method, datamodule=data)
    begin, end = stopwatch.times
    return steps / (end - begin)


def plain_steps(name: str, config: DictConfig, data: ImageData, steps: int) -> float:
    """Return the plain loop's steps per second."""
    step = LOOPS[name][1](build_method(config, data), data)
    for _ in range(WARM_UP):
        step()
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    return steps / (time.perf_counter() - begin)


def compare(name: str, rounds: int = ROUNDS) -> Comparison:
    """Compare GenBench with the plain loop of a method."""
    config = compose_config("train", LOOPS[name][0])
    data = build_data(config)
    steps = max(20, int(SECONDS * plain_steps(name, config, data, 5)))
    return in_turns(lambda: genbench_steps(config, data, steps), lambda: plain_steps(name, config, data, steps), rounds)


def peak_memory(run: Callable[[], object]) -> float:
    """Return MiB of tensors that lived at the same time, at most, of all that were made meanwhile."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
        run()
    events = [event for event in watched.profiler.kineto_results.events() if event.name() == "[memory]"]  # type: ignore[union-attr]
    live = list(itertools.accumulate(event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())))
    return max(live) / 2**20


def compare_memory(name: str) -> tuple[float, float]:
    """Return the peaks of GenBench and of the plain loop: networks, optimizers and a few steps."""
    config = compose_config("train", LOOPS[name][0])
    data = build_data(config)
    data.store("train")
    ours = peak_memory(lambda: genbench_steps(config, data, 3))
    return ours, peak_memory(lambda: plain_steps(name, config, data, 3))


def main() -> None:
    """Measure and print a table."""
    quieten()
    print("| training steps/s | GenBench | plain loop | ratio, median (range) | memory, MiB: GenBench, plain, ratio |")
    print("| --- | ---: | ---: | ---: | ---: |")
    figures = {}
    for name in LOOPS:
        found = compare(name)
        ours, plain = compare_memory(name)
        print(f"| {name} | {found} | {ours:.1f}, {plain:.1f}, {ours / plain:.3f} |", flush=True)
        figures[name] = {"ratio": found.ratio, "memory_ratio": ours / plain}
    print(json.dumps({"step_speed": figures}))


if __name__ == "__main__":
    main()
