"""What vector and noise of a diffusion autoencoder hold, and whether colours change. See README.md beside this file.

python experiments/diffusion_autoencoder/study.py outputs/semantic_classifier_scenes/RUN
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genbench.abilities import LeadsEmbeddings
from genbench.commands.opening import open_run
from genbench.config import compose_config
from genbench.diffusion.samplers import ddim
from genbench.editing.base import Inputs
from genbench.editing.manipulate import Manipulate
from genbench.editing.mix_images import MixImages
from genbench.editing.reconstruct import Reconstruct
from genbench.editing.strips import side_by_side
from genbench.errors import UserError
from genbench.figures.charts import make_chart, save_chart, write_csv
from genbench.figures.grid import make_grid
from genbench.images import save_image, to_float
from genbench.methods.denoising.semantic_classifier import SemanticClassifier
from genbench.metrics.scene_tasks import Task, altered, fraction, kept, one_digit_task
from genbench.randomness import CHUNK, Noise

HERE = Path(__file__).parent
SHOWN = 12
Row = dict[str, Any]


def measure_reconstruction(decoder: Any, task: Task, arguments: argparse.Namespace) -> list[Row]:
    """Return the error of reconstructions by the number of steps, with the image's own noise and with fresh noise."""
    rows = []
    for steps in arguments.steps:
        decoder.sampler = partial(ddim, steps=steps)
        editor = Reconstruct(decoder, steps=steps)
        results = [
            editor.edit(Inputs(len(part), images=to_float(part)), noise=Noise(arguments.seed, number)).scores
            for number, part in enumerate(task.images[: arguments.reconstructed].split(CHUNK))
        ]
        errors = {name: float(torch.cat([each[name] for each in results]).mean()) for name in ("mae", "mae_fresh")}
        rows.append({"steps": steps, **{name: f"{value:.4g}" for name, value in errors.items()}})
        print(rows[-1], flush=True)
    return rows


def measure_colours(method: SemanticClassifier, task: Task, arguments: argparse.Namespace) -> tuple[list[Row], Tensor]:
    """Return how often a digit gets the colour that it is led to and keeps the rest, by strength; and the frames."""
    wanted = altered(task.scenes, "colour")
    frames = torch.empty(len(wanted), arguments.pictures, *task.images.shape[1:], dtype=torch.uint8)
    for colour in method.targets:
        rows = torch.tensor([row for row, scene in enumerate(wanted) if scene.things[0].colour == colour])
        editor = Manipulate(
            method, target=colour, strength=arguments.strength, pictures=arguments.pictures,
            steps=arguments.manipulation_steps,
        )  # fmt: skip
        for part in rows.split(CHUNK) if len(rows) else []:
            inputs = Inputs(len(part), images=to_float(task.images[part]))
            result = editor.edit(inputs, noise=Noise(arguments.seed))
            assert result.intermediate is not None
            frames[part] = result.intermediate.cpu()
    found = []
    for place, strength in enumerate(torch.linspace(0, arguments.strength, arguments.pictures).tolist()):
        own = kept(frames[:, place], wanted)
        about = {"strength": round(strength, 3)}
        both = [colour and digit for colour, digit in zip(own["colour"], own["digit"], strict=True)]
        for name, hits in {"colour reached": own["colour"], "digit kept": own["digit"], "both": both}.items():
            found.append(fraction({**about, "fraction": name}, hits))
            print(found[-1], flush=True)
    return found, frames


def draw(rows: list[Row], path: Path) -> None:
    """Draw the errors of reconstructions against the steps."""
    figure, (panel,) = make_chart(aspect=1.4)
    for name, label in (("mae", "vector and noise"), ("mae_fresh", "vector, fresh noise")):
        panel.loglog([row["steps"] for row in rows], [float(row[name]) for row in rows], marker="o", label=label)
    panel.set(xlabel="steps", ylabel="mean absolute error")
    panel.legend(fontsize=7)
    save_chart(figure, path)


def main() -> None:
    """Measure, and write the tables and the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder of method=semantic_classifier on data=scenes of colours")
    parser.add_argument("--count", type=int, default=256, help="held-out scenes of one digit whose colour is changed")
    parser.add_argument("--reconstructed", type=int, default=64, help="those that are reconstructed")
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 25, 50, 100, 250], help="of reconstructions")
    parser.add_argument("--manipulation-steps", type=int, default=50, help="of changes")
    parser.add_argument("--strength", type=float, default=0.6, help="of the strongest change")
    parser.add_argument("--pictures", type=int, default=5, help="on the way to it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    run = open_run(compose_config("sample", [f"run={arguments.run}", "device=cpu"]), suffices=LeadsEmbeddings)
    method: Any = run.method
    if not isinstance(method, SemanticClassifier):
        raise UserError(f"{arguments.run} is no run of method=semantic_classifier")
    decoder: Any = method.decoder
    run.data.prepare_data()
    arguments.out.mkdir(parents=True, exist_ok=True)
    task = one_digit_task(run.data, arguments.count)  # type: ignore[arg-type]
    rows = measure_reconstruction(decoder, task, arguments)
    write_csv(rows, arguments.out / "reconstruction.csv")
    draw(rows, arguments.out / "reconstruction.png")
    decoder.sampler = partial(ddim, steps=arguments.manipulation_steps)
    found, frames = measure_colours(method, task, arguments)
    write_csv(found, arguments.out / "colours.csv")
    save_image(make_grid(side_by_side(frames[:SHOWN]), 1), arguments.out / "colours.png")
    images = to_float(task.images[:SHOWN])
    shown = Inputs(len(images), images=images, others=images.roll(-1, 0))
    strips = MixImages(decoder, path="linear", pictures=8).edit(shown, noise=Noise(arguments.seed)).pictures
    save_image(make_grid(strips, 1), arguments.out / "mixtures.png")
    print(arguments.out)


if __name__ == "__main__":
    main()
