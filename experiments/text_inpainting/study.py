"""Whether a hole is filled with the digit that is asked for. See README.md beside this file.

python experiments/text_inpainting/study.py 'outputs/glide_scenes_inpaint/*' --repaint outputs/glide_scenes/RUN
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from genbench import api
from genbench.commands.opening import OpenRun, open_run
from genbench.commands.run_records import find_runs
from genbench.conditions.captions import Captions
from genbench.config import check
from genbench.editing.masks import hide
from genbench.errors import UserError
from genbench.figures.charts import write_csv
from genbench.figures.grid import make_grid, place_beside
from genbench.images import save_image, to_float
from genbench.metrics.extractors.digits import load_digit_classifier
from genbench.metrics.scene_reading import read_scenes
from genbench.metrics.scores.alignment import compare
from genbench.randomness import CHUNK, Noise
from genbench.text.scenes import COLOURS, SIZES, Scene, Thing, caption, is_unseen

HERE = Path(__file__).parent
SHOWN = 16
MARGIN = 1
"""Pixels between the largest digit and the edge of its hole."""


class Tasks(NamedTuple):
    """Held-out pictures of one digit (N, 3, S, S), with a hole in its place, and the scenes asked for."""

    images: Tensor
    masks: Tensor
    scenes: list[Scene]


def tasks(run: OpenRun, count: int) -> Tasks:
    """Return the first held-out scenes with one digit: with a hole, and another digit asked for."""
    scenes = run.data.scenes("test")  # type: ignore[attr-defined]
    rows = [row for row, scene in enumerate(scenes) if len(scene.things) == 1][:count]
    images = run.data.store("test").samples[torch.tensor(rows)]
    asked = [_with_another_digit(scenes[row], number) for number, row in enumerate(rows)]
    grounds = torch.tensor([COLOURS[str(scene.background)] for scene in asked])
    masks = torch.stack([_hole(image, ground) for image, ground in zip(images, grounds, strict=True)])
    return Tasks(images, masks, asked)


def _with_another_digit(scene: Scene, number: int) -> Scene:
    """Return the scene with another digit of any size: one that training shows in this colour."""
    (thing,) = scene.things
    assert thing.digit is not None
    colour = list(COLOURS).index(str(thing.colour))
    others = [(thing.digit + more) % 10 for more in range(1, 10)]
    seen = [digit for digit in others if not is_unseen(digit, colour)]
    return scene._replace(things=(Thing(seen[number % len(seen)], thing.colour, None),))


def _hole(image: Tensor, ground: Tensor) -> Tensor:
    """Return 0 in a square around a picture's digit that has room for a large one, and 1 elsewhere, (1, S, S)."""
    side = image.shape[-1]
    inked = (image.int() - ground[:, None, None]).abs().amax(0) > 0
    room = round(SIZES["large"] * side) + 2 * MARGIN
    mask = torch.ones(1, side, side)
    places = [inked.any(1 - axis).nonzero()[:, 0] for axis in range(2)]
    starts = [min(max(int(each.min() + each.max() + 1 - room) // 2, 0), side - room) for each in places]
    mask[:, starts[0] : starts[0] + room, starts[1] : starts[1] + room] = 0
    return mask


def fill(run: OpenRun, given: Tasks, seed: int) -> Tensor:
    """Return what a run fills in, uint8 (N, 3, S, S)."""
    method: Any = run.method
    assert isinstance(method.condition, Captions)
    rows = method.condition.encode([caption(scene) for scene in given.scenes])
    parts = zip(given.images.split(CHUNK), given.masks.split(CHUNK), rows.split(CHUNK), strict=True)
    filled = [
        method.inpaint(to_float(images), masks, asked, noise=Noise(seed, chunk))
        for chunk, (images, masks, asked) in enumerate(parts)
    ]
    return torch.cat([method.medium.store(each).cpu() for each in filled])


def measure(run: OpenRun, given: Tasks, filled: Tensor) -> dict[str, Any]:
    """Return the fractions of pictures that show what was asked for, and whose known pixels are those given."""
    shown = read_scenes(filled, load_digit_classifier())
    right = [compare(asked, found) for asked, found in zip(given.scenes, shown, strict=True)]
    same = ((filled == given.images) | (given.masks == 0)).flatten(1).all(1)
    names = ("digit", "colour", "all")
    return {
        "run": run.folder.path.name,
        "method": str(run.settings.method["_target_"]).rpartition(".")[2],
        "sampler": str(run.settings.sampler["_target_"]).rpartition(".")[2],
        "guidance": run.settings.method.guidance,
        "pictures": len(filled),
        **{f"alignment_{name}": round(sum(bool(each[name]) for each in right) / len(right), 4) for name in names},
        "known_pixels_identical": round(float(same.double().mean()), 4),
    }


def main() -> None:
    """Fill in, measure, and write the table and a picture for each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", help="run folders trained with method.inpainting=true, or patterns of them")
    parser.add_argument("--repaint", nargs="*", default=[], help="run folders of others, which fill in by RePaint")
    parser.add_argument("--steps", type=int, default=100, help="of RePaint")
    parser.add_argument("--resamplings", type=int, default=10, help="of RePaint")
    parser.add_argument("--guidance", type=float, help="guidance scale w; else that of each run")
    parser.add_argument("--sampler", nargs="*", default=[], help="of the first runs, such as sampler=ddim")
    parser.add_argument("--count", type=int, default=500, help="held-out pictures of one digit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    words = [] if arguments.guidance is None else [f"guidance={arguments.guidance}"]
    runs = [api.open_run(path, *words, *arguments.sampler) for path in find_runs(arguments.runs)]
    repaint = [f"sampler.steps={arguments.steps}", f"sampler.resamplings={arguments.resamplings}"]
    for path in find_runs(arguments.repaint):
        asked = check("edit", ["editor=inpaint", f"run={path}", *repaint, *words])
        runs.append(open_run(asked, fills_in=True))
    if not runs:
        raise UserError("name run folders, or --repaint RUN")
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for run in runs:
        given = tasks(run, arguments.count)
        filled = fill(run, given, arguments.seed)
        rows.append(measure(run, given, filled))
        print(rows[-1], flush=True)
        shown = [hide(image, mask[0]) for image, mask in zip(given.images[:SHOWN], given.masks[:SHOWN], strict=True)]
        picture = make_grid(place_beside(torch.stack(shown), filled[:SHOWN], given.images[:SHOWN]))
        save_image(picture, arguments.out / f"{rows[-1]['run']}_{rows[-1]['sampler']}.png")
    write_csv(rows, arguments.out / "text_inpainting.csv")
    print(arguments.out)


if __name__ == "__main__":
    main()
