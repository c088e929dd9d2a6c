"""Training steps of GenBench beside plain PyTorch loops over the same networks and data, in turns.

    make bench

Each loop does the same work: the steps of all networks and an update of the average. GenBench also logs, guards, shows
its progress, keeps its clock and listens for signals at the usual intervals; grids, scores and checkpoints are pauses
between steps and are left out of both. The two take turns every five steps, in one process. Memory is the peak of all
tensors: networks, their average, optimizers, what a step makes.
"""

import gc
import itertools
import json
import tempfile
from collections.abc import Callable
from typing import Any

import torch
from hydra.utils import get_object
from lightning import Callback, Trainer
from omegaconf import DictConfig
from torch.profiler import ProfilerActivity, profile

from genbench.callbacks.clock import Clock
from genbench.callbacks.interruption import Interruption
from genbench.callbacks.reproducible_steps import ReproducibleSteps
from genbench.commands.assembly import build, build_data, build_method, compile_networks
from genbench.commands.encoding import encode_once
from genbench.commands.opening import named_parts
from genbench.commands.profiling import Unprofiled
from genbench.commands.train import build_callbacks, quieten
from genbench.config import compose_config
from genbench.data.base import DataSet
from genbench.logs.loggers import CSVTable
from genbench.methods.base import GenerativeMethod, Method
from tests.benchmarks.plain_loops import LOOPS
from tests.benchmarks.turns import DEVICE, Comparison, compare_pairs, machine, now

SLICE, ROUND, ROUNDS, FEW, TRIES = 5, 50, 20, 6, 3
_LEAST_ROUNDS = 3
_NO_PAUSES = [f"callbacks.{name}=null" for name in ("grid", "nearest", "scores", "checkpoints")]


class InTurns(Callback):
    """After every `SLICE` steps take as many of another loop; note how many a second there were of each in a round.

    A round has as many steps as lie between two rows of figures, so that the cost of logging is in each.

    Args:
        other: a step of the other loop.
        rounds: how many, after one to warm up; then the training ends.
        length: steps of a round.
        slice_steps: steps of a turn.
        seconds: after which it ends earlier, with three rounds at least; None for never.

    Attributes:
        data_wait: the share of the training's time that it waited for batches.
    """

    def __init__(
        self,
        other: Callable[[], None],
        rounds: int,
        length: int = ROUND,
        slice_steps: int = SLICE,
        seconds: float | None = None,
    ) -> None:
        self._other = other
        self._rounds = rounds + 1
        self._length = length
        self._slice = slice_steps
        self._limit = seconds
        self._began = 0.0
        self._slices: list[tuple[float, float]] = []
        self.data_wait = 0.0

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        """Start with the first step."""
        self._began = self._began or now()

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Take turns."""
        if trainer.global_step % self._slice:
            return
        between = now()
        for _ in range(self._slice):
            self._other()
        end = now()
        self._slices.append((between - self._began, end - between))
        trainer.should_stop = self._is_over()
        if trainer.should_stop:
            self.data_wait = trainer.train_dataloader.seconds_spent / sum(ours for ours, _ in self._slices)
        self._began = now()

    def _is_over(self) -> bool:
        per_round = self._length // self._slice
        done = len(self._slices) // per_round
        # The warm-up may take long and tell nothing: a network may be compiled in it.
        spent = sum(sum(both) for both in self._slices[per_round:])
        return done >= self._rounds or (self._limit is not None and spent >= self._limit and done > _LEAST_ROUNDS)

    def comparison(self) -> Comparison:
        """Compare steps/s of both in all rounds but the first."""
        count = self._length // self._slice
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
            self._began = now()
        if trainer.global_step == self._warm_up + self._steps:
            self.steps_per_second = self._steps / (now() - self._began)
            trainer.should_stop = True


def settings(overrides: list[str]) -> DictConfig:
    """Return a run's configuration without pauses between steps."""
    return compose_config("train", [*overrides, *_NO_PAUSES])


def with_parts(config: DictConfig, data: DataSet) -> Method:
    """Return a run's method, built on the runs that it names."""
    parts = named_parts(config.parts, get_object(config.method["_target_"]))
    return build_method(config, data, parts={name: part.model for name, part in parts.items()})


def train(
    config: DictConfig, data: DataSet, end: Callback, compiler: Callable[[GenerativeMethod], None] = compile_networks
) -> None:
    """Train as the command does, until a callback says stop; what compiles networks may be another."""
    method = with_parts(config, data)
    encode_once(data, method)
    if config.compile:
        compiler(method)
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


def compare(name: str, rounds: int = ROUNDS) -> tuple[Comparison, float]:
    """Compare GenBench with the plain loop of a method; return GenBench's share of time spent waiting for data, too."""
    config = settings(LOOPS[name][0])
    data = build_data(config)
    turns = InTurns(LOOPS[name][1](build_method(config, data).to(DEVICE), data), rounds)
    train(config, data, turns)
    return turns.comparison(), turns.data_wait


def peak_memory(run: Callable[[], object]) -> float:
    """Return MiB of tensors that lived at the same time, at most, of all that were made meanwhile."""
    if DEVICE.type == "cuda":
        gc.collect()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
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
    # Now and then the profiler loses what was made early on: the largest of a few.
    ours = max(peak_memory(lambda: train(config, data, Stopwatch(0, FEW))) for _ in range(TRIES))

    def plain() -> None:
        step = LOOPS[name][1](build_method(config, data).to(DEVICE), data)
        for _ in range(FEW):
            step()

    return ours, max(peak_memory(plain) for _ in range(TRIES))


def main() -> None:
    """Measure and print a table."""
    quieten()
    print(machine())
    columns = "ratio, median (quartiles) | memory, MiB: GenBench, plain, ratio | data wait"
    print(f"| training steps/s | GenBench | plain loop | {columns} |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    figures = {}
    for name in LOOPS:
        found, data_wait = compare(name)
        ours, plain = compare_memory(name)
        print(f"| {name} | {found} | {ours:.1f}, {plain:.1f}, {ours / plain:.3f} | {data_wait:.1%} |", flush=True)
        figures[name] = {"ratio": found.ratio, "memory_ratio": ours / plain, "data_wait": data_wait}
    print(json.dumps({"step_speed": figures}))


if __name__ == "__main__":
    main()
