"""What unCLIP keeps of an image, and where captions lead it. See README.md beside this file.

python experiments/unclip/study.py outputs/unclip_scenes/RUN
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from genbench import api
from genbench.diffusion.samplers import ddim
from genbench.editing.base import Inputs
from genbench.editing.mix_images import MixImages
from genbench.editing.strips import side_by_side
from genbench.editing.text_difference import TextDifference
from genbench.editing.variations import Variations
from genbench.errors import UserError
from genbench.figures.charts import write_csv
from genbench.figures.grid import make_grid
from genbench.images import save_image, to_float
from genbench.methods.denoising.unclip import UnCLIP
from genbench.metrics.scene_tasks import Task, altered, fraction, kept, one_digit_task
from genbench.randomness import CHUNK, Noise
from genbench.text.scenes import Scene, caption

HERE = Path(__file__).parent
SHOWN = 12
Row = dict[str, Any]


def measure_prior(method: UnCLIP, task: Task, seed: int) -> list[Row]:
    """Return cosines of drawn embeddings with those of the images, and how often the image is found by them."""
    images = torch.cat([method.embed(to_float(part)) for part in task.images.split(CHUNK)])
    rows = method.condition.encode([caption(scene) for scene in task.scenes])
    drawn = torch.cat(
        [
            method.prior.sample(len(part), part, noise=Noise(seed, number))
            for number, part in enumerate(rows.split(CHUNK))
        ]
    )
    texts = torch.cat([method.embed_captions(part) for part in rows.split(CHUNK)])
    found = []
    for name, z in (("drawn by the prior", drawn), ("of the caption itself", texts)):
        similar = normalize(z, dim=1) @ normalize(images, dim=1).T
        # Of another image: the control without which a cosine says nothing.
        found.append(
            {
                "embedding": name,
                "cosine with its image": round(float(similar.diagonal().mean()), 4),
                "cosine with another": round(float(similar.roll(1, 1).diagonal().mean()), 4),
                "images": len(images),
                "nearest image has the same caption": round(_retrieved(similar, task.scenes), 4),
            }
        )
    return found


def _retrieved(similar: Tensor, scenes: list[Scene]) -> float:
    nearest = similar.argmax(1).tolist()
    return sum(_named(scenes[row]) == _named(scenes[found]) for row, found in enumerate(nearest)) / len(nearest)


def _named(scene: Scene) -> tuple[Any, ...]:
    (thing,) = scene.things
    return thing.digit, thing.colour, scene.background


def measure_variations(method: UnCLIP, task: Task, seed: int) -> list[Row]:
    """Return what variations keep of their images."""
    editor = Variations(method, variations=1)
    strips = torch.cat(
        [
            editor.edit(Inputs(len(part), images=to_float(part)), noise=Noise(seed, number)).pictures.cpu()
            for number, part in enumerate(task.images.split(CHUNK))
        ]
    )
    side = task.images.shape[-1]
    found = kept(strips[..., side:], task.scenes)
    both = [digit and colour for digit, colour in zip(found["digit"], found["colour"], strict=True)]
    return [fraction({"kept": name}, hits) for name, hits in {**found, "digit and colour": both}.items()]


def measure_differences(
    method: UnCLIP, task: Task, attribute: str, arguments: argparse.Namespace
) -> tuple[list[Row], Tensor]:
    """Return how often text differences reach an attribute and keep the others, by how far they go; and the frames."""
    theta, pictures = arguments.theta, arguments.pictures
    editor = TextDifference(method, theta=theta, start=arguments.start, pictures=pictures)
    wanted = altered(task.scenes, attribute)
    frames = []
    for number, part in enumerate(torch.arange(len(wanted)).split(CHUNK)):
        rows = [
            method.condition.encode([caption(scenes[row]) for row in part.tolist()]) for scenes in (wanted, task.scenes)
        ]
        target, source = (method.embed_captions(each) for each in rows)
        frames.append(editor.lead(to_float(task.images[part]), target, source, Noise(arguments.seed, number)))
    drawn = torch.cat(frames)
    found = []
    for place, share in enumerate(torch.linspace(0, theta, pictures).tolist()):
        own = kept(drawn[:, place], wanted)
        others = [name for name in own if name != attribute]
        rest = [all(own[name][row] for name in others) for row in range(len(wanted))]
        about = {"attribute": attribute, "theta": round(share, 3)}
        found += [
            fraction({**about, "fraction": "reached"}, own[attribute]),
            fraction({**about, "fraction": "others kept"}, rest),
        ]
        both = [one and other for one, other in zip(own[attribute], rest, strict=True)]
        found.append(fraction({**about, "fraction": "both"}, both))
    return found, drawn


def draw_figures(run: api.OpenRun, method: UnCLIP, task: Task, out: Path, seed: int) -> None:
    """Draw variations and mixtures of the first images."""
    images, noise = to_float(task.images[:SHOWN]), Noise(seed)
    shown = Inputs(len(images), images=images, others=images.roll(-1, 0))
    save_image(make_grid(Variations(method, variations=7).edit(shown, noise=noise).pictures, 1), out / "variations.png")
    # Between images nothing but the embedding and the first noise changes.
    method.decoder.sampler, method.decoder.guidance = partial(ddim, steps=50), 0.0
    for start in ("inverted", "fixed"):
        strips = MixImages(method, start=start, pictures=8).edit(shown, noise=noise).pictures  # type: ignore[arg-type]
        save_image(make_grid(strips, 1), out / f"mixtures_{start}.png")


def main() -> None:
    """Measure, and write the tables and the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder of method=unclip on data=scenes")
    parser.add_argument("--count", type=int, default=256, help="held-out scenes of one digit")
    parser.add_argument("--theta", type=float, default=0.5, help="how far text differences go")
    parser.add_argument("--pictures", type=int, default=6, help="of a text difference")
    parser.add_argument("--start", default="inverted", help="of text differences, as of the editor")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    run = api.open_run(arguments.run)
    method = run.method
    if not isinstance(method, UnCLIP):
        raise UserError(f"{arguments.run} is no run of method=unclip")
    run.data.prepare_data()
    arguments.out.mkdir(parents=True, exist_ok=True)
    task, seed = one_digit_task(run.data, arguments.count), arguments.seed
    prior = measure_prior(method, task, seed)
    write_csv(prior, arguments.out / "prior.csv")
    print(*prior, sep="\n", flush=True)
    rows = measure_variations(method, task, seed)
    write_csv(rows, arguments.out / "variations.csv")
    print(*rows, sep="\n", flush=True)
    differences: list[Row] = []
    for attribute in ("digit", "colour", "background"):
        found, frames = measure_differences(method, task, attribute, arguments)
        differences += found
        write_csv(differences, arguments.out / "text_differences.csv")
        print(*found, sep="\n", flush=True)
        save_image(make_grid(side_by_side(frames[:SHOWN]), 1), arguments.out / f"text_differences_{attribute}.png")
    draw_figures(run, method, task, arguments.out, seed)
    print(arguments.out)


if __name__ == "__main__":
    main()
