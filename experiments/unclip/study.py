"""What unCLIP keeps of an image, and where captions lead it. See README.md beside this file.

python experiments/unclip/study.py outputs/unclip_scenes/RUN
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from genbench import api
from genbench.editing.base import Inputs
from genbench.editing.mix_images import MixImages
from genbench.editing.strips import side_by_side
from genbench.editing.text_difference import TextDifference
from genbench.editing.variations import Variations
from genbench.errors import UserError
from genbench.figures.charts import write_csv
from genbench.figures.grid import make_grid
from genbench.images import save_image, to_float
from genbench.intervals import wilson
from genbench.methods.denoising.unclip import UnCLIP
from genbench.metrics.extractors.digits import load_digit_classifier
from genbench.metrics.scene_reading import read_scenes
from genbench.metrics.scores.alignment import compare
from genbench.randomness import CHUNK, Noise
from genbench.text.scenes import COLOURS, Scene, caption, is_unseen

HERE = Path(__file__).parent
SHOWN = 12
Row = dict[str, Any]


class Task(NamedTuple):
    """Held-out pictures of one digit, (N, 3, S, S), and their scenes."""

    images: Tensor
    scenes: list[Scene]


def task_of(run: api.OpenRun, count: int) -> Task:
    """Return the first held-out scenes of one digit."""
    scenes = run.data.scenes("test")  # type: ignore[attr-defined]
    rows = [row for row, scene in enumerate(scenes) if len(scene.things) == 1][:count]
    return Task(run.data.store("test").samples[torch.tensor(rows)], [scenes[row] for row in rows])


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


def kept(pictures: Tensor, scenes: list[Scene]) -> dict[str, list[bool]]:
    """Return for each picture, uint8 (N, 3, S, S), whether its digit, its colour and its background are those asked."""
    shown = read_scenes(pictures, load_digit_classifier())
    right = [compare(scene, found) for scene, found in zip(scenes, shown, strict=True)]
    return {name: [bool(each[name]) for each in right] for name in ("digit", "colour", "background")}


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
    return [_row({"kept": name}, hits) for name, hits in {**found, "digit and colour": both}.items()]


def targets_of(scenes: list[Scene], attribute: str) -> list[Scene]:
    """Return scenes that differ in one attribute, and that training shows."""
    colours, found = list(COLOURS), []
    for number, scene in enumerate(scenes):
        (thing,) = scene.things
        assert thing.digit is not None
        taken = {thing.colour, scene.background}
        free = [colour for colour in colours if colour not in taken]
        other = free[number % len(free)]
        if attribute == "background":
            found.append(scene._replace(background=other))
        elif attribute == "colour":
            seen = [colour for colour in free if not is_unseen(thing.digit, colours.index(colour))]
            found.append(scene._replace(things=(thing._replace(colour=seen[number % len(seen)]),)))
        else:
            own = colours.index(str(thing.colour))
            digits = [digit for digit in range(10) if digit != thing.digit and not is_unseen(digit, own)]
            found.append(scene._replace(things=(thing._replace(digit=digits[number % len(digits)]),)))
    return found


def measure_differences(
    method: UnCLIP, task: Task, attribute: str, theta: float, pictures: int, seed: int
) -> tuple[list[Row], Tensor]:
    """Return how often text differences reach an attribute and keep the others, by how far they go; and the frames."""
    editor = TextDifference(method, theta=theta, pictures=pictures)
    wanted = targets_of(task.scenes, attribute)
    frames = []
    for number, part in enumerate(torch.arange(len(wanted)).split(CHUNK)):
        rows = [
            method.condition.encode([caption(scenes[row]) for row in part.tolist()]) for scenes in (wanted, task.scenes)
        ]
        target, source = (method.embed_captions(each) for each in rows)
        frames.append(editor.lead(to_float(task.images[part]), target, source, Noise(seed, number)))
    drawn = torch.cat(frames)
    found = []
    for place, fraction in enumerate(torch.linspace(0, theta, pictures).tolist()):
        own = kept(drawn[:, place], wanted)
        others = [name for name in own if name != attribute]
        rest = [all(own[name][row] for name in others) for row in range(len(wanted))]
        about = {"attribute": attribute, "theta": round(fraction, 3)}
        found += [
            _row({**about, "fraction": "reached"}, own[attribute]),
            _row({**about, "fraction": "others kept"}, rest),
        ]
        both = [one and other for one, other in zip(own[attribute], rest, strict=True)]
        found.append(_row({**about, "fraction": "both"}, both))
    return found, drawn


def _row(about: Row, hits: list[bool]) -> Row:
    low, high = wilson(sum(hits), len(hits))
    return {
        **about,
        "images": len(hits),
        "right": round(sum(hits) / len(hits), 4),
        "from": round(low, 4),
        "to": round(high, 4),
    }


def draw_figures(run: api.OpenRun, method: UnCLIP, task: Task, out: Path, seed: int) -> None:
    """Draw variations, mixtures and text differences of the first images."""
    images, noise = to_float(task.images[:SHOWN]), Noise(seed)
    shown = Inputs(len(images), images=images, others=images.roll(-1, 0))
    save_image(make_grid(Variations(method, variations=7).edit(shown, noise=noise).pictures, 1), out / "variations.png")
    for start in ("inverted", "fixed"):
        strips = MixImages(method, start=start, pictures=8).edit(shown, noise=noise).pictures  # type: ignore[arg-type]
        save_image(make_grid(strips, 1), out / f"mixtures_{start}.png")


def main() -> None:
    """Measure, and write the tables and the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder of method=unclip on data=scenes")
    parser.add_argument("--count", type=int, default=256, help="held-out scenes of one digit")
    parser.add_argument("--theta", type=float, default=0.6, help="how far text differences go")
    parser.add_argument("--pictures", type=int, default=5, help="of a text difference")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    run = api.open_run(arguments.run)
    method = run.method
    if not isinstance(method, UnCLIP):
        raise UserError(f"{arguments.run} is no run of method=unclip")
    run.data.prepare_data()
    arguments.out.mkdir(parents=True, exist_ok=True)
    task, seed = task_of(run, arguments.count), arguments.seed
    prior = measure_prior(method, task, seed)
    write_csv(prior, arguments.out / "prior.csv")
    print(*prior, sep="\n", flush=True)
    rows = measure_variations(method, task, seed)
    write_csv(rows, arguments.out / "variations.csv")
    print(*rows, sep="\n", flush=True)
    differences: list[Row] = []
    for attribute in ("digit", "colour", "background"):
        found, frames = measure_differences(method, task, attribute, arguments.theta, arguments.pictures, seed)
        differences += found
        write_csv(differences, arguments.out / "text_differences.csv")
        print(*found, sep="\n", flush=True)
        save_image(make_grid(side_by_side(frames[:SHOWN]), 1), arguments.out / f"text_differences_{attribute}.png")
    draw_figures(run, method, task, arguments.out, seed)
    print(arguments.out)


if __name__ == "__main__":
    main()
