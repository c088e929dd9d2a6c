"""How costs grow: seconds and FLOPs against images, side, width, sampler calls and processes, with fitted exponents.

make bench
"""

import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from genbench.commands.assembly import build_data, build_method
from genbench.commands.train import quieten
from genbench.config import compose_config
from genbench.randomness import Noise
from tests.benchmarks.turns import DEVICE, machine, now

_STEPS = 5

GROWTHS: dict[str, tuple[str, list[int]]] = {
    "images a batch": ("data.batch_size={}", [16, 32, 64, 128]),
    "side": ("data.size={}", [8, 16, 32]),
    "width": ("network.denoiser.width={}", [16, 32, 64]),
    "sampler calls": ("sampler.steps={}", [5, 10, 20, 40]),
}


def costs(setting: str, samples: bool) -> tuple[float, float]:
    """Return seconds and FLOPs of a training step of DDPM, or of 64 samples."""
    config = compose_config("train", ["experiment=ddpm_digits", "data.batch_size=32", setting])
    data = build_data(config)
    method = build_method(config, data).to(DEVICE)
    x, y = data.store("train").batch(slice(0, data.batch_size), DEVICE)[:2] if not samples else (torch.empty(0), None)

    def work() -> None:
        if samples:
            method.eval().sample(64, noise=Noise(0))
        else:
            t, weights = method.draw_times(len(x))  # type: ignore[operator]
            (weights * method.losses(x, t, y)).mean().backward()  # type: ignore[operator]

    work()
    times = []
    for _ in range(_STEPS):
        begin = now()
        work()
        times.append(now() - begin)
    with FlopCounterMode(display=False) as counter:
        work()
    return statistics.median(times), float(counter.get_total_flops())


def exponent(sizes: list[int], values: list[float]) -> float:
    """Return p of the least-squares fit of values ~ size^p."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def step_seconds(processes: int) -> float:
    """Return seconds of a step of 64 images in all, shared by processes of one thread each."""
    with tempfile.TemporaryDirectory() as folder:
        words = [
            "experiment=ddpm_digits", "data.batch_size=64", "steps=30", "trainer.log_every_n_steps=10",
            "metrics=none", "callbacks.grid=null", "callbacks.nearest=null", f"output={folder}",
            *(["trainer=ddp", f"trainer.devices={processes}"] if processes > 1 else []), "trainer.accelerator=cpu",
        ]  # fmt: skip
        environment: Any = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, "-m", "genbench", *words], check=True, capture_output=True, env=environment)
        (table,) = Path(folder).glob("*/*/metrics.csv")
        with table.open() as file:
            return float(list(csv.DictReader(file))[-1]["speed/step_seconds"])


def main() -> None:
    """Measure and print a table."""
    quieten()
    print(machine())
    print("| grows | sizes | ms | exponent of seconds | of FLOPs |")
    print("| --- | --- | --- | ---: | ---: |")
    figures = {}
    for name, (setting, sizes) in GROWTHS.items():
        found = [costs(setting.format(size), name == "sampler calls") for size in sizes]
        times, flops = ([part[index] for part in found] for index in (0, 1))
        in_time, in_flops = exponent(sizes, times), exponent(sizes, flops)
        shown = ", ".join(f"{1000 * seconds:.0f}" for seconds in times)
        print(f"| {name} | {', '.join(map(str, sizes))} | {shown} | {in_time:.2f} | {in_flops:.2f} |", flush=True)
        figures[name] = {"seconds": in_time, "flops": in_flops}
    counts = [1, 2]
    times = [step_seconds(count) for count in counts]
    shared = exponent(counts, times)
    shown = ", ".join(f"{1000 * seconds:.0f}" for seconds in times)
    print(f"| processes, of one thread each, for the same batch | 1, 2 | {shown} | {shared:.2f} | -1.00 |")
    figures["processes"] = {"seconds": shared, "flops": -1.0}
    print(json.dumps({"growth": figures}))


if __name__ == "__main__":
    main()
