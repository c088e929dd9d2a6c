"""Training steps of GenBench beside plain PyTorch loops over the same networks and data, in turns.

    make bench

Each loop does the same work: the steps of all networks and an update of the average. GenBench also logs, guards, shows
its progress, keeps its clock and listens for signals at the usual intervals; grids, scores and checkpoints are pauses
between steps and are left out of both. The two take turns every five steps, in one process. Memory is the peak of all
tensors: networks, their average, optimizers, what a step makes.
"""

import itertools
import json
import tempfile
import time
from collections.abc import Callable
from typing import Any

from lightning import Callback, Trainer
from omegaconf import DictConfig
from torch.profiler import ProfilerActivity, profile

from genbench.callbacks.clock import Clock
from genbench.callbacks.interruption import Interruption
from genbench.callbacks.reproducible_steps import ReproducibleSteps
from genbench.commands.assembly import build, build_data, build_method, compile_networks
from genbench.commands.profiling import Unprofiled
from genbench.commands.train import build_callbacks, quieten
from genbench.config import compose_config
from genbench.data.base import ImageData
from genbench.loggers import CSVTable
from tests.benchmarks.plain_loops import LOOPS
from tests.benchmarks.turns import Comparison, compare_pairs

SLICE, ROUND, ROUNDS, FEW = 5, 50, 20, 3
_NO_PAUSES = [f"callbacks.{name}=null" for name in ("grid", "nearest", "scores", "checkpoints")]


class InTurns(Callback):
    """After every `SLICE` steps take as many of another loop; note how many a second there were of each in a round.

    A round has as many steps as lie between two rows of figures, so that the cost of logging is in each.

    Args:
        other: a step of the other loop.
        rounds: how many, after one to warm up; then the training ends.
        length: steps of a round.
    """

    def __init__(self, other: Callable[[], None], rounds: int, length: int = ROUND) -> None:
        self._other = other
        self._rounds = rounds + 1
        self._length = length
        self._began = 0.0
        self._slices: list[tuple[float, float]] = []

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        """Start with the first step."""
        self._began = self._began or time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Take turns."""
        if trainer.global_step % SLICE:
            return
        between = time.perf_counter()
        for _ in range(SLICE):
            self._other()
        end = time.perf_counter()
        self._slices.append((between - self._began, end - between))
        trainer.should_stop = len(self._slices) * SLICE >= self._rounds * self._length
        self._began = time.perf_counter()

    def comparison(self) -> Comparison:
        """Compare steps/s of both in all rounds but the first."""
        count = self._length // SLICE
        rounds = [self._slices[begin : begin + count] for begin in range(count, len(self._slices), count)]
        seconds = [[sum(column) for column in zip(*slices, strict=True)] for slices in rounds]
        return compare_pairs([(self._length / ours, self._length / other) for ours, other in seconds])


class Stopwatch(Callback):
    """Note how many steps a second there were after a warm-up; then the training ends.

    Args:
        warm_up: steps that are not counted.
        steps: steps that are.
    """

    def __init__(self, warm_up: int, steps: int) -> None:
        self._warm_up = warm_up
        self._steps = steps
        self._began = 0.0
        self.steps_per_second = 0.0

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Look at the watch."""
        if trainer.global_step == self._warm_up:
            self._began = time.perf_counter()
        if trainer.global_step == self._warm_up + self._steps:
            self.steps_per_second = self._steps / (time.perf_counter() - self._began)
            trainer.should_stop = True


def settings(overrides: list[str]) -> DictConfig:
    """Return a run's configuration without pauses between steps."""
    return compose_config("train", [*overrides, *_NO_PAUSES])


def train(config: DictConfig, data: ImageData, end: Callback) -> None:
    """Train as the command does, until a callback says stop."""
    method = build_method(config, data)
    if config.compile:
        compile_networks(method)
    with tempfile.TemporaryDirectory() as folder:
        # In the order of the command; the last one measures what all the others take.
        callbacks = [ReproducibleSteps(0), Clock(data.batch_size), *build_callbacks(config), Interruption(), end]
        trainer: Trainer = build(
            config.trainer,
            "trainer",
            logger=[CSVTable(folder)],
            callbacks=callbacks,
            profiler=Unprofiled(),
            max_steps=10**9,
            default_root_dir=folder,
        )
        trainer.fit(method, datamodule=data)


def compare(name: str, rounds: int = ROUNDS) -> Comparison:
    """Compare GenBench with the plain loop of a method."""
    config = settings(LOOPS[name][0])
    data = build_data(config)
    turns = InTurns(LOOPS[name][1](build_method(config, data), data), rounds)
    train(config, data, turns)
    return turns.comparison()


def peak_memory(run: Callable[[], object]) -> float:
    """Return MiB of tensors that lived at the same time, at most, of all that were made meanwhile."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
        run()
    events = [event for event in watched.profiler.kineto_results.events() if event.name() == "[memory]"]  # type: ignore[union-attr]
    live = list(itertools.accumulate(event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())))
    return max(live) / 2**20


def compare_memory(name: str) -> tuple[float, float]:
    """Return the peaks of GenBench and of the plain loop: networks, optimizers and a few steps."""
    config = settings(LOOPS[name][0])
    data = build_data(config)
    data.store("train")
    ours = peak_memory(lambda: train(config, data, Stopwatch(0, FEW)))

    def plain() -> None:
        step = LOOPS[name][1](build_method(config, data), data)
        for _ in range(FEW):
            step()

    return ours, peak_memory(plain)


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
