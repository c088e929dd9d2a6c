"""What a convention costs that differs between training and sampling. See README.md beside this file.

python experiments/conventions/study.py outputs/base/RUN --guided outputs/guided/RUN --trained outputs/other/RUN
"""

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from genbench.commands.opening import open_run, revive
from genbench.conditions.base import Conditions
from genbench.config import compose_config
from genbench.data.base import DataSet
from genbench.diffusion.estimates import Denoise, Estimate, clamping, settled
from genbench.diffusion.processes import Process
from genbench.diffusion.samplers import ancestral, ddim, heun
from genbench.errors import UserError
from genbench.figures.charts import write_csv
from genbench.methods.base import GenerativeMethod
from genbench.metrics.evaluator import Evaluator
from genbench.runs.folder import RunFolder

HERE = Path(__file__).parent
OTHERS = {
    "padding": {"network.denoiser.padding": {"openai": "ho", "ho": "openai"}},
    "index of the first step": {"method.process.first_index": {0: 1, 1: 0}},
}
"""Settings of a network's conventions, each with what the other value of it is."""

Row = dict[str, Any]


class Bench:
    """Scores of many ways of drawing from runs on one data set, by one reference.

    Args:
        data: of the runs.
        count: samples of a score.
        calls: network calls of a sample, about.
    """

    def __init__(self, data: DataSet, count: int, calls: int) -> None:
        self.data = data
        self.calls = calls
        self.samplers: dict[str, Callable[..., Tensor]] = {
            "ancestral": partial(ancestral, steps=calls),
            "ddim": partial(ddim, steps=calls),
            "heun": partial(heun, steps=calls // 2 + 1),
        }
        data.prepare_data()
        self._plain = Evaluator(count, scores=["fid"], cache="data/references")
        self._guided = Evaluator(count, scores=["fid", "agreement"], cache="data/references")
        for evaluator in (self._plain, self._guided):
            evaluator.set_reference(data)

    def score(self, method: GenerativeMethod, sampler: Callable[..., Tensor]) -> dict[str, float]:
        """Return the scores of a method by a sampler; with classes each is asked for in turn."""
        method.sampler = sampler  # type: ignore[assignment]
        evaluator, conditions = self._plain, None
        if method.condition is not None:
            rows = torch.arange(self._guided.count) % 10
            evaluator, conditions = self._guided, Conditions(method.condition, rows)
        values = evaluator.score_method(method.sample, torch.device("cpu"), conditions=conditions).values
        return {name: round(value, 4) for name, value in values.items() if not name.endswith("_std")}


def other_conventions(path: Path, bench: Bench) -> Iterator[Row]:
    """Yield the scores of a run as it was trained, and with other conventions of its network."""
    settings = RunFolder.open(path).read_config()
    for changed in ((), *((name,) for name in OTHERS), tuple(OTHERS)):
        method = with_others(path, settings.copy(), changed)
        for name in ("ancestral", "ddim"):
            found = bench.score(method, bench.samplers[name])
            yield {
                "what": "the network's conventions",
                "setting": " and ".join(changed) or "as trained",
                "sampler": name,
            } | found


def with_others(path: Path, settings: DictConfig, changed: tuple[str, ...]) -> GenerativeMethod:
    """Return the method of a run, some of whose conventions are others than in its training."""
    for name in changed:
        for key, others in OTHERS[name].items():
            OmegaConf.update(settings, key, others[OmegaConf.select(settings, key)])
            # The method's own copy of its network's settings.
            inner = key.replace("network.", "method.")
            if OmegaConf.select(settings, inner) is not None:
                OmegaConf.update(settings, inner, OmegaConf.select(settings, key))
    method = revive(RunFolder.open(path), settings, "last").method
    assert isinstance(method, GenerativeMethod)
    return method.eval()


def clamps(method: GenerativeMethod, bench: Bench) -> Iterator[Row]:
    """Yield the scores of each way to clamp the estimates of x_0, by each sampler."""
    for name, sampler in bench.samplers.items():
        for clamp in ("none", "static", "dynamic"):
            found = bench.score(method, partial(sampler, clamp=clamp))
            yield {"what": "clamp", "setting": clamp, "sampler": name} | found


def guidance_orders(method: GenerativeMethod, bench: Bench, scales: list[float]) -> Iterator[Row]:
    """Yield the scores of guidance by a classifier that is added before the clamp, and after it."""
    for scale in scales:
        method.guidance = scale  # type: ignore[assignment]
        for name in ("ancestral", "ddim"):
            for order, sampler in (
                ("clamped, then guided", bench.samplers[name]),
                ("guided, then clamped", partial(guided_first, bench.samplers[name])),
            ):
                yield {"what": f"guidance of scale {scale:g}", "setting": order, "sampler": name} | bench.score(
                    method, sampler
                )


def guided_first(sampler: Callable[..., Tensor], denoise: Denoise, process: Process, *rest: Any) -> Tensor:
    """Draw with estimates that a classifier moves before they are clamped: what guided-diffusion does not do."""
    guided = settled(denoise, process, "none")

    def unbounded(x: Tensor, t: Tensor) -> Estimate:
        return clamping(guided, "static")(x, t)._replace(bounds=None)

    return sampler(unbounded, process, *rest)


def main() -> None:
    """Score every convention and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder of an unconditional diffusion model on digits")
    parser.add_argument("--guided", type=Path, help="run folder of method=guided_by_classifier")
    parser.add_argument(
        "--trained", type=Path, nargs="*", default=[], help="runs that were trained by other conventions"
    )
    parser.add_argument("--count", type=int, default=1000, help="images of each score")
    parser.add_argument("--calls", type=int, default=100, help="network calls of a sample, about")
    parser.add_argument("--scales", type=float, nargs="*", default=[1.0, 3.0], help="of guidance")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    begun = time.monotonic()
    opened = open_run(compose_config("sample", [f"run={arguments.run}", "device=cpu"]))
    if opened.method.condition is not None:
        raise UserError(f"{arguments.run} is of a conditional method")
    bench = Bench(opened.data, arguments.count, arguments.calls)
    parts = [other_conventions(arguments.run, bench)]
    parts += [trained(path, bench) for path in arguments.trained]
    parts += [clamps(opened.method, bench)]
    if arguments.guided is not None:
        guided = open_run(compose_config("sample", [f"run={arguments.guided}", "device=cpu"])).method
        parts += [guidance_orders(guided, bench, arguments.scales)]
    rows: list[Row] = []
    for part in parts:
        for row in part:
            rows.append({"what": "", "setting": "", "sampler": "", "fid_digits": "", "agreement_digits": ""} | row)
            print(row, flush=True)
            # A long study is not lost if it is stopped.
            write_csv(rows, arguments.out / "conventions.csv")
    print(f"{len(rows)} scores in {time.monotonic() - begun:.0f} s: {arguments.out}")


def trained(path: Path, bench: Bench) -> Iterator[Row]:
    """Yield the scores of another run, as it was trained."""
    method = open_run(compose_config("sample", [f"run={path}", "device=cpu"])).method
    for name in ("ancestral", "ddim"):
        yield {"what": "trained", "setting": path.parent.name, "sampler": name} | bench.score(
            method, bench.samplers[name]
        )


if __name__ == "__main__":
    main()
