r"""Quality, diversity and speed of every method, at one training budget. See README.md beside this file.

python experiments/trilemma/study.py outputs/*_mnist16/RUN
python experiments/trilemma/study.py outputs/*_scenes/RUN --features outputs/clip_scenes/RUN --scores fid alignment \
    --likelihood 0 --name scenes
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from omegaconf import OmegaConf
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.module_tracker import ModuleTracker

from genbench.abilities import HasLikelihood
from genbench.commands.assembly import build_data, build_method
from genbench.commands.evaluators import build_evaluator
from genbench.commands.opening import OpenRun, open_run
from genbench.commands.train import quieten
from genbench.conditions.base import Conditions
from genbench.config import compose_config
from genbench.figures.charts import make_chart, save_chart, write_csv
from genbench.metrics.conditions import held_out, plan_conditions
from genbench.metrics.evaluator import Evaluator
from genbench.metrics.material import Material, Origin
from genbench.metrics.scores.bits_per_dim import BitsPerDim
from genbench.randomness import CHUNK, Noise
from genbench.sampling import sample_set
from genbench.score_names import plain_score

HERE = Path(__file__).parent
_IN_A_ROW = 5
COUNTED = 20
"""Training steps whose FLOPs are counted: every generator of these methods moves at least thrice within them."""


class Flops(FlopCounterMode):
    """Count FLOPs in all, not by module, for which it would set hooks that a gradient penalty does not bear."""

    def __init__(self) -> None:
        super().__init__(display=False)
        self.mod_tracker = Nowhere()


class Nowhere(ModuleTracker):
    """Follow no modules."""

    def __enter__(self) -> "Nowhere":
        """Set no hooks."""
        return self

    def __exit__(self, *args: object) -> None:
        """Remove none."""


def training_flops(run: OpenRun) -> float:
    """Return the FLOPs of a mean training step, forwards and backwards, of a fresh method on the run's data."""
    data = build_data(run.settings)
    method = build_method(run.settings, data)
    trainer = Trainer(
        max_steps=COUNTED, max_epochs=-1, accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    with Flops() as counter:
        trainer.fit(method, datamodule=data)
    return float(counter.get_total_flops()) / COUNTED


def evaluator_of(arguments: argparse.Namespace, scores: list[str]) -> Evaluator:
    """Return what computes some scores, in the features that are asked for."""
    extractor = "digits" if arguments.features is None else f"run:{arguments.features}"
    about = {"count": arguments.count, "scores": scores, "extractor": extractor, "cache": "data/references"}
    target = f"{Evaluator.__module__}.{Evaluator.__name__}"
    return build_evaluator(OmegaConf.create({"_target_": target, **about}), "metrics", named=True)


def planned(run: OpenRun, count: int) -> Conditions | None:
    """Return what `count` samples of a run shall show; None of an unconditional method."""
    return None if run.method.condition is None else plan_conditions(run.method, run.data, count)[0]


def sampling_cost(run: OpenRun, count: int) -> dict[str, float]:
    """Return network calls and FLOPs of a sample, and the seconds of 1,000."""
    calls, method = [0], run.method
    network = method.average
    assert isinstance(network, torch.nn.Module)
    hook = network.module.register_forward_hook(lambda *_: calls.__setitem__(0, calls[0] + 1))  # type: ignore[union-attr]
    conditions, first = (planned(run, number) for number in (count, CHUNK))
    with Flops() as counter:
        method.sample(CHUNK, None if first is None else first.load(), noise=Noise(0))
    hook.remove()
    start = time.monotonic()
    sample_set(method.sample, count, 0, method.medium, conditions)
    # A VAE decodes without its network's forward, and calls it once.
    return {
        "calls": max(1, calls[0]),
        "sample_gflops": counter.get_total_flops() / CHUNK / 1e9,
        "seconds_per_1000": (time.monotonic() - start) * 1000 / count,
    }


def main() -> None:
    """Measure each run, tabulate, draw the triangles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="run folders, of one data set")
    parser.add_argument("--count", type=int, default=1000, help="images of each score")
    parser.add_argument("--likelihood", type=int, default=128, help="held-out images of bits/dim; 0 for none")
    parser.add_argument(
        "--features", type=Path, help="a CLIP run in whose features images are compared; those of digits without"
    )
    parser.add_argument("--scores", nargs="+", default=["fid", "modes"], help="beside precision and recall")
    parser.add_argument("--name", default="trilemma", help="of the files")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    quieten()
    begun = time.monotonic()
    evaluator = evaluator_of(arguments, arguments.scores)
    # Precision and recall of a thousand images are held against unseen ones, of which there are not too many more.
    nearby = evaluator_of(arguments, ["neighbours"])
    rows: list[dict[str, Any]] = []
    for folder in arguments.runs:
        run = open_run(compose_config("sample", [f"run={folder}", "device=cpu"]))
        run.data.prepare_data()
        if not rows:
            evaluator.set_reference(run.data)
            nearby.set_reference(run.data, held_out(run.data))
        drawn = evaluator.draw(run.method.sample, torch.device("cpu"), conditions=planned(run, arguments.count))
        scores = evaluator.score(drawn, {}).values | nearby.score(drawn, {}).values
        manifest = json.loads(run.folder.manifest_file.read_text())
        row: dict[str, Any] = {
            "run": run.settings.name,
            "parameters": sum(p.numel() for p in run.method.parameters() if p.requires_grad),
            "steps": run.step,
            "images": manifest["images"],
            "training_seconds": manifest["seconds"],
            "training_tflops": run.step * training_flops(run) / 1e12,
            **sampling_cost(run, arguments.count),
            **{plain_score(name): value for name, value in scores.items()},
            "bits_per_dim": "",
        }
        if arguments.likelihood and isinstance(run.method, HasLikelihood):
            origin = Origin(run.method, run.data, held_out(run.data))
            values = BitsPerDim(arguments.likelihood).compute(Material(0, origin=origin))
            row["bits_per_dim"] = values["bits_per_dim"]
        rows.append({key: f"{value:.4g}" if isinstance(value, float) else value for key, value in row.items()})
        print(rows[-1], flush=True)
        # A long study is not lost if it is stopped.
        write_csv(rows, arguments.out / f"{arguments.name}.csv")
    draw_triangles(rows, arguments.out / f"{arguments.name}.png")
    print(f"{len(rows)} runs in {time.monotonic() - begun:.0f} s: {arguments.out}")


def draw_triangles(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw each method's reach towards the three corners: precision, recall, and speed on a scale of logarithms."""
    speeds = torch.tensor([float(row["seconds_per_1000"]) for row in rows]).log10()
    span = float((speeds.max() - speeds.min()).clamp_min(1e-6))
    corners = torch.tensor([[0.0, 1.0], [-0.866, -0.5], [0.866, -0.5]])
    columns = min(len(rows), _IN_A_ROW)
    figure, panels = make_chart(columns, height=2.2, aspect=1.0, rows=-(-len(rows) // columns))
    for panel in panels[len(rows) :]:
        panel.remove()
    for row, speed, panel in zip(rows, speeds, panels[: len(rows)], strict=True):
        # The slowest keeps a tenth of the way, so that its triangle is one.
        fast = 0.1 + 0.9 * float((speeds.max() - speed) / span)
        reach = torch.tensor([float(row["precision"]), float(row["recall"]), fast])
        for shape, style in (
            (corners, {"color": "lightgrey", "fill": False}),
            (corners * reach[:, None], {"alpha": 0.6}),
        ):
            panel.fill(*shape.T.tolist(), **style)
        for corner, name in zip(corners.tolist(), ("quality", "diversity", "speed"), strict=True):
            panel.annotate(name, (corner[0], corner[1] * 1.12), ha="center", va="center", fontsize="x-small")
        panel.set(xlim=(-1.25, 1.25), ylim=(-0.9, 1.3), aspect="equal")
        panel.set_title(str(row["run"]).rpartition("_")[0], fontsize="small")
        panel.axis("off")
    save_chart(figure, path)


if __name__ == "__main__":
    main()
