"""Score against the number of network calls, for every sampler of one trained model. See README.md beside this file.

python experiments/sampling_speed/study.py outputs/ddpm_mnist16/RUN
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genbench.commands.opening import open_run
from genbench.config import compose_config
from genbench.diffusion.samplers import (
    ancestral,
    ddim,
    dpm_solver,
    heun,
    predictor_corrector,
    probability_flow,
)
from genbench.errors import UserError
from genbench.figures.charts import make_chart, save_chart, write_csv
from genbench.methods.denoising.base import DenoisingMethod
from genbench.metrics.evaluator import Evaluator

HERE = Path(__file__).parent
STEPS = (5, 10, 20, 50, 100)


def samplers(longest: int) -> dict[str, list[Callable[..., Tensor]]]:
    """Return every sampler with several settings, `longest` steps the most."""
    # As in the paper's algorithm 1, but for the factor of the corrections, which was alpha_bar when this was measured.
    by_sde = partial(
        predictor_corrector, predictor="euler_maruyama", langevin_alpha="cumulative", order="predictor_first"
    )
    found: dict[str, list[Any]] = {
        "ancestral": [partial(ancestral, steps=steps) for steps in (10, 20, 50, 100, 1000)],
        "ddim": [partial(ddim, steps=steps) for steps in STEPS],
        "ddim, eta 0.5": [partial(ddim, steps=steps, eta=0.5) for steps in (20, 50)],
        "dpm_solver": [partial(dpm_solver, steps=steps) for steps in STEPS[:4]],
        "heun": [partial(heun, steps=steps) for steps in (3, 5, 10, 18, 35)],
        "predictor": [partial(by_sde, steps=steps, corrections=0) for steps in (50, 100)],
        "predictor_corrector": [partial(by_sde, steps=steps) for steps in (25, 50)],
        "probability_flow": [partial(probability_flow, tolerance=tolerance) for tolerance in (1e-1, 1e-2, 1e-3)],
    }
    return {
        name: [sampler for sampler in settings if sampler.keywords.get("steps", 0) <= longest]
        for name, settings in found.items()
    }


def main() -> None:
    """Draw and score by each sampler, then plot and tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder of a method that denoises")
    parser.add_argument("--count", type=int, default=500, help="images of each score")
    parser.add_argument("--longest", type=int, default=1000, help="most steps; settings with more are left out")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    begun = time.monotonic()
    run = open_run(compose_config("sample", [f"run={arguments.run}", "device=auto"]))
    method = run.method
    if not isinstance(method, DenoisingMethod) or method.condition is not None:
        raise UserError(f"{arguments.run} is of a method that denoises no images, or is conditional")
    calls = [0]
    method.average.module.register_forward_hook(lambda *_: calls.__setitem__(0, calls[0] + 1))
    evaluator = Evaluator(arguments.count, scores=["fid"], cache="data/references")
    run.data.prepare_data()
    evaluator.set_reference(run.data, device=method.device)
    chunks = -(-arguments.count // 64)
    rows: list[dict[str, Any]] = []
    for name, settings in samplers(arguments.longest).items():
        for sampler in settings:
            method.sampler, calls[0], start = sampler, 0, time.monotonic()
            drawn = evaluator.draw(method.sample, torch.device(method.device))
            seconds = time.monotonic() - start
            fid = evaluator.score(drawn, {}).values["fid_digits"]
            rows.append(
                {
                    "sampler": name,
                    "setting": next(iter(sampler.keywords.items()))[1],  # type: ignore[attr-defined]
                    "calls": round(calls[0] / chunks, 1),
                    "seconds": round(seconds, 2),
                    "fid_digits": round(fid, 3),
                }
            )
            print(rows[-1], flush=True)
            # A long study is not lost if it is stopped.
            write_csv(rows, arguments.out / "speed.csv")
    plot(rows, arguments.out / "speed.png")
    print(f"{len(rows)} scores in {time.monotonic() - begun:.0f} s: {arguments.out}")


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw score against calls, a line a sampler."""
    figure, (panel,) = make_chart(height=4)
    for name in dict.fromkeys(row["sampler"] for row in rows):
        own = [row for row in rows if row["sampler"] == name]
        panel.plot(
            [row["calls"] for row in own], [row["fid_digits"] for row in own], marker="o", markersize=3, label=name
        )
    panel.set(xscale="log", yscale="log", xlabel="network calls a sample", ylabel="fid_digits")
    panel.legend(fontsize="small")
    save_chart(figure, path)


if __name__ == "__main__":
    main()
