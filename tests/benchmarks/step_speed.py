"""Steps per second of GenBench beside a plain PyTorch loop over the same networks and data, in turns.

    make bench

Both do the work of `gan_mnist`, on scikit-learn's digits, which need no files: a discriminator step, a generator step,
an update of the average. GenBench also logs, guards and keeps its clock at their usual intervals; grids, scores and
checkpoints are pauses between steps and are left out of both.
"""

import json
import statistics
import tempfile
import time
from typing import Any

import torch
from hydra.utils import instantiate
from lightning import Callback, Trainer
from omegaconf import DictConfig
from torch import Tensor
from torch.nn.functional import softplus

from genbench.callbacks.clock import Clock
from genbench.callbacks.guard import Guard
from genbench.callbacks.reproducible_steps import ReproducibleSteps
from genbench.commands.assembly import build_data, build_method
from genbench.commands.train import quieten
from genbench.config import compose_config
from genbench.data.base import ImageData
from genbench.loggers import CSVTable
from genbench.methods.averaging import AveragedNetwork

WARM_UP, STEPS, ROUNDS = 10, 60, 15


class Stopwatch(Callback):
    """Note when the warm-up and the last step were done."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step in (WARM_UP, WARM_UP + STEPS):
            self.times.append(time.perf_counter())


def genbench_speed(config: DictConfig, data: ImageData) -> float:
    """Return GenBench's steps per second."""
    stopwatch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        callbacks = [ReproducibleSteps(0), Clock(data.batch_size), Guard(50), stopwatch]
        options = {"max_steps": WARM_UP + STEPS, "default_root_dir": folder}
        trainer = instantiate(config.trainer, logger=[CSVTable(folder)], callbacks=callbacks, **options)
        trainer.fit(build_method(config, data), datamodule=data)
    begin, end = stopwatch.times
    return STEPS / (end - begin)


def plain_speed(config: DictConfig, data: ImageData) -> float:
    """Return the steps per second of a loop that anyone would write."""
    method = build_method(config, data)
    generator, discriminator = method.generator.train(), method.discriminator.train()
    average = AveragedNetwork(generator, config.method.ema_decay)
    optimizer_d = torch.optim.Adam(discriminator.parameters(), 2e-4, (0.5, 0.999))
    optimizer_g = torch.optim.Adam(generator.parameters(), 2e-4, (0.5, 0.999))
    images = data.store("train").images

    def step(x: Tensor) -> None:
        with torch.no_grad():
            fake = generator(torch.randn(len(x), 100))
        loss = softplus(-discriminator(x)).mean() + softplus(discriminator(fake)).mean()
        optimizer_d.zero_grad()
        loss.backward()
        optimizer_d.step()
        discriminator.requires_grad_(False)
        loss = softplus(-discriminator(generator(torch.randn(len(x), 100)))).mean()
        optimizer_g.zero_grad()
        loss.backward()
        optimizer_g.step()
        discriminator.requires_grad_(True)
        average.update_parameters(generator)

    begin = 0.0
    for index in range(WARM_UP + STEPS):
        if index == WARM_UP:
            begin = time.perf_counter()
        chosen = torch.randint(0, len(images), (data.batch_size,))
        step(images[chosen].float() / 127.5 - 1)
    return STEPS / (time.perf_counter() - begin)


def main() -> None:
    """Measure in turns and print the ratio of each pair."""
    quieten()
    config = compose_config("train", ["experiment=gan_mnist", "data=digits"])
    data = build_data(config)
    pairs = [(genbench_speed(config, data), plain_speed(config, data)) for _ in range(ROUNDS)]
    ratios = [ours / plain for ours, plain in pairs]
    ours, plain = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"steps/s: GenBench {ours:.1f}, plain loop {plain:.1f}")
    print(f"ratio: median {statistics.median(ratios):.3f}, from {min(ratios):.3f} to {max(ratios):.3f}")
    figures = {"genbench_steps_per_second": ours, "plain_steps_per_second": plain, "ratio": statistics.median(ratios)}
    print(json.dumps({"step_speed": figures}))


if __name__ == "__main__":
    main()
