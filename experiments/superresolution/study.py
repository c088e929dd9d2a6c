"""Hold ways to enlarge the same held-out images beside each other: scores and pictures. See README.md beside this file.

python experiments/superresolution/study.py outputs/{bicubic,regression,sr3}_digits/RUN
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genbench import api
from genbench.commands.run_records import find_runs
from genbench.conditions.derived import LowResolution
from genbench.conditions.source_images import SourceImages
from genbench.errors import UserError
from genbench.figures.charts import write_csv
from genbench.figures.grid import make_grid, place_beside
from genbench.images import save_image, to_float
from genbench.metrics.conditions import conditions_of
from genbench.metrics.embedder import embedding_by
from genbench.metrics.frechet import frechet_distance_of_features
from genbench.metrics.scores.psnr import Psnr
from genbench.metrics.scores.ssim import Ssim
from genbench.sampling import sample_set

HERE = Path(__file__).parent
SHOWN = 12


def enlarged_by(run: api.OpenRun, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the small images of held-out ones, and what a run makes of them, both uint8."""
    method: Any = run.method
    if not (method.derives_condition and isinstance(method.condition, SourceImages)):
        raise UserError(f"{run.folder.path} is of a method that enlarges no images")
    conditions = conditions_of(method, run.data, "test", rows)
    return method.condition.picture(conditions.rows), sample_set(method.sample, len(rows), 0, method.medium, conditions)


def scores_of(small: Tensor, large: Tensor, real: Tensor) -> dict[str, float]:
    """Return how near enlarged images are to the images themselves, and to the small ones."""
    again = LowResolution(large.shape[2] // small.shape[2])(to_float(large))
    return {
        "psnr": float(Psnr().compare(large, real).mean()),
        "ssim": float(torch.cat([*map(Ssim().compare, large.split(64), real.split(64))]).mean()),
        "consistency": float(((again - to_float(small)) / 2).square().mean()),
    }


def main() -> None:
    """Score each run, draw the same images with each, write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders of methods that enlarge images of one data set")
    parser.add_argument("--features", type=Path, help="a CLIP run whose features FID is in; those of digits without")
    parser.add_argument("--count", type=int, default=2000, help="held-out images, at most")
    parser.add_argument("--shown", type=int, default=SHOWN, help="held-out images that are drawn")
    parser.add_argument("--name", default="digits", help="of the files")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    model: Any = None if arguments.features is None else api.open_run(arguments.features).method
    embed = embedding_by(model)
    table: list[dict[str, Any]] = []
    columns: list[Tensor] = []
    real = train = held_out = torch.empty(0)
    for path in find_runs(arguments.runs):
        run = api.open_run(path)
        run.data.prepare_data()
        if not columns:
            real = run.data.store("test").samples[: arguments.count]
            train, held_out = embed(run.data.store("train").samples), embed(real)
        small, large = enlarged_by(run, torch.arange(len(real)))
        seen = embed(large)
        figures = scores_of(small, large, real) | {
            # Of few images that to those of training is large also for the held-out images themselves.
            "fid_train": frechet_distance_of_features(seen, train),
            "fid_held_out": frechet_distance_of_features(seen, held_out),
        }
        table.append({"run": run.settings.name, **{name: f"{value:.4g}" for name, value in figures.items()}})
        print(table[-1], flush=True)
        columns += [large[: arguments.shown]] if columns else [small[: arguments.shown], large[: arguments.shown]]
        write_csv(table, arguments.out / f"{arguments.name}.csv")
    itself = {"run": "held-out images", "fid_train": f"{frechet_distance_of_features(held_out, train):.4g}"}
    write_csv([*table, {name: itself.get(name, "") for name in table[0]}], arguments.out / f"{arguments.name}.csv")
    save_image(make_grid(place_beside(*columns, real[: arguments.shown]), 2), arguments.out / f"{arguments.name}.png")
    print(arguments.out)


if __name__ == "__main__":
    main()
