"""Hold ways to fill in the same holes of held-out images beside each other. See README.md beside this file.

python experiments/inpainting/study.py outputs/context_encoder_digits/RUN --repaint outputs/ddpm_digits/RUN
"""

import argparse
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from genbench import api
from genbench.abilities import FillsIn
from genbench.commands.opening import OpenRun, open_run
from genbench.commands.run_records import find_runs
from genbench.conditions.masked_images import own_masks
from genbench.config import check
from genbench.editing.base import fraction_of_range
from genbench.editing.masks import MASKS, hide, read_mask
from genbench.errors import UserError
from genbench.figures.charts import write_csv
from genbench.figures.grid import make_grid, place_beside
from genbench.images import save_image, to_float
from genbench.metrics.embedder import embedding_by
from genbench.metrics.frechet import frechet_distance_of_features
from genbench.randomness import CHUNK, Noise

HERE = Path(__file__).parent
SHOWN = 12


def opened(arguments: argparse.Namespace) -> list[OpenRun]:
    """Return the runs: those that fill in images by themselves, then those that do so by RePaint."""
    runs = [api.open_run(path) for path in find_runs(arguments.runs)]
    repaint = [f"sampler.steps={arguments.steps}", f"sampler.resamplings={arguments.resamplings}"]
    for path in find_runs(arguments.repaint):
        runs.append(open_run(check("edit", ["editor=inpaint", f"run={path}", *repaint]), fills_in=True))
    if not runs:
        raise UserError("name run folders, or --repaint RUN")
    for run in runs:
        if not isinstance(run.method, FillsIn):
            raise UserError(f"{run.folder.path} is of a method that fills in no images")
        if run.method.medium.shape != runs[0].method.medium.shape:  # type: ignore[attr-defined]
            raise UserError(f"{run.folder.path} is of images of another size than {runs[0].folder.path}")
    return runs


def masks_of(images: Tensor, kind: str) -> Tensor:
    """Return the masks (N, 1, H, W) of stored images: of each its own, or the same part of all."""
    if kind == "random":
        return own_masks(to_float(images), "random")
    return read_mask(kind, *images.shape[2:]).expand(len(images), 1, -1, -1)


def filled_by(method: Any, images: Tensor, masks: Tensor, seed: int) -> tuple[Tensor, float]:
    """Return stored images (N, C, H, W) that a method fills in, and the seconds that it takes for each."""
    parts = list(zip(images.split(CHUNK), masks.split(CHUNK), strict=True))
    begin = perf_counter()
    filled = [
        method.inpaint(to_float(some), mask, noise=Noise(seed, chunk)).cpu() for chunk, (some, mask) in enumerate(parts)
    ]
    seconds = (perf_counter() - begin) / len(images)
    return method.medium.store(torch.cat(filled)), seconds


def scores_of(filled: Tensor, images: Tensor, masks: Tensor) -> dict[str, Any]:
    """Return the mean error in the hole, and the fraction of images whose known pixels are identical."""
    hidden = 1 - masks
    error = (fraction_of_range(filled, images) * hidden).sum((1, 2, 3)) / (hidden.sum((1, 2, 3)) * images.shape[1])
    same = ((filled == images) | (masks == 0)).flatten(1).all(1)
    return {"filled_l1": float(error.mean()), "known_pixels_identical": float(same.double().mean())}


def main() -> None:
    """Fill in the same holes with each run, and write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", help="run folders of methods that fill in images by themselves, or patterns")
    parser.add_argument("--repaint", nargs="*", default=[], help="run folders of diffusion models, which do by RePaint")
    parser.add_argument("--steps", type=int, default=50, help="of RePaint")
    parser.add_argument("--resamplings", type=int, default=5, help="of RePaint")
    parser.add_argument(
        "--mask", default="random", help=f"of each image its own, random; or {', '.join(MASKS)}, or FILE"
    )
    parser.add_argument("--features", type=Path, help="a CLIP run whose features FID is in; those of digits without")
    parser.add_argument("--count", type=int, default=500, help="held-out images, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="digits", help="of the files")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    runs = opened(arguments)
    model: Any = None if arguments.features is None else api.open_run(arguments.features).method
    embed = embedding_by(model)
    data: Any = runs[0].data
    data.prepare_data()
    images = data.store("test").samples[: arguments.count]
    masks = masks_of(images, arguments.mask)
    train, held_out = embed(data.store("train").samples[:]), embed(images)
    arguments.out.mkdir(parents=True, exist_ok=True)
    table: list[dict[str, Any]] = []
    columns = [torch.cat([hide(image[None], mask[0]) for image, mask in zip(images, masks, strict=True)][:SHOWN])]
    for run in runs:
        filled, seconds = filled_by(run.method, images, masks, arguments.seed)
        seen = embed(filled)
        figures = scores_of(filled, images, masks) | {
            "fid_train": frechet_distance_of_features(seen, train),
            "fid_held_out": frechet_distance_of_features(seen, held_out),
            "seconds_per_image": seconds,
        }
        table.append({"run": run.settings.name, **{name: f"{value:.4g}" for name, value in figures.items()}})
        print(table[-1], flush=True)
        columns.append(filled[:SHOWN])
    # What no filling in could do better than.
    itself = {"run": "held-out images", "fid_train": f"{frechet_distance_of_features(held_out, train):.4g}"}
    write_csv([*table, {name: itself.get(name, "") for name in table[0]}], arguments.out / f"{arguments.name}.csv")
    save_image(make_grid(place_beside(*columns, images[:SHOWN]), 2), arguments.out / f"{arguments.name}.png")
    print(arguments.out)


if __name__ == "__main__":
    main()
