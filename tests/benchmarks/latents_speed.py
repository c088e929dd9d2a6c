"""What encoding the training images of a latent model once does, beside encoding each batch, in turns.

make bench
"""

import json
import statistics
import tempfile
from pathlib import Path

import torch
from omegaconf import DictConfig

from genbench.__main__ import main as genbench
from genbench.commands.assembly import build_data
from genbench.commands.train import quieten
from genbench.data.base import DataSet
from genbench.methods.encoding_once import EncodesOnce
from tests.benchmarks.options_speed import steps_per_second
from tests.benchmarks.step_speed import settings, with_parts
from tests.benchmarks.turns import DEVICE, Comparison, in_turns, machine, now

ROUNDS = 5
IMAGES = 6000

_SCENES = f"data.count={IMAGES}"
_QUIET = ["callbacks.grid=null", "callbacks.nearest=null", "callbacks.scores=null", "metrics=none"]
_MODELS = {
    "latent_diffusion": ("kl_autoencoder_scenes", ["experiment=latent_diffusion_scenes"]),
    "vqgan_transformer": ("vqgan_scenes", ["experiment=vqgan_transformer_scenes"]),
}


def first_stage(experiment: str, folder: Path) -> Path:
    """Train a first stage for one step: what it costs does not depend on what it has learnt."""
    words = [f"experiment={experiment}", _SCENES, *_QUIET, "steps=1", f"output={folder}", "name=first_stage"]
    if genbench(words):
        raise SystemExit(f"{experiment} could not be trained")
    (run,) = (folder / "first_stage").iterdir()
    return run


def compare(model: list[str], run: Path, folder: Path, rounds: int = ROUNDS) -> tuple[Comparison, float]:
    """Compare trainings whose images are encoded once and in each step, and what `seconds_for_1000` returns."""
    base = [*model, _SCENES, f"parts.first_stage={run}"]
    once, each = (settings([*base, f"method.latents_in={place}"]) for place in (folder, "null"))
    data, other = build_data(once), build_data(each)
    found = in_turns(lambda: steps_per_second(once, data), lambda: steps_per_second(each, other), rounds)
    return found, seconds_for_1000(each, other)


def seconds_for_1000(config: DictConfig, data: DataSet) -> float:
    """Return the seconds that the first stage takes for 1,000 images, the median of several batches."""
    method = with_parts(config, data).to(DEVICE)
    assert isinstance(method, EncodesOnce)
    x = data.store("train").batch(slice(0, 64), DEVICE).x
    seconds = []
    for _ in range(7):
        began = now()
        with torch.no_grad():
            method.encode(x)
        seconds.append(now() - began)
    return 1000 / len(x) * statistics.median(seconds)


def main() -> None:
    """Measure and print a table."""
    quieten()
    print(machine())
    print("| method | steps/s, encoded once | in each step | ratio, median (quartiles) | seconds for 1,000 images |")
    print("| --- | ---: | ---: | ---: | ---: |")
    figures = {}
    for name, (stage, model) in _MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            run = first_stage(stage, Path(folder))
            found, seconds = compare(model, run, Path(folder) / "latents")
        print(f"| {name} | {found} | {seconds:.1f} |", flush=True)
        figures[name] = found.ratio
    print(json.dumps({"latents_speed": figures}))


if __name__ == "__main__":
    main()
