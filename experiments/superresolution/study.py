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
from genbench.errors import UserError
from genbench.figures.charts import write_csv
from genbench.figures.grid import make_grid, place_beside
from genbench.images import save_image
from genbench.metrics.conditions import conditions_of
from genbench.randomness import Noise
from genbench.score_names import find_score

HERE = Path(__file__).parent
SHOWN = 12


def scores_of(run: api.OpenRun, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the scores of a run's images, drawn of the small ones of held-out images."""
    extractor = "digits" if arguments.features is None else f"run:{arguments.features}"
    words = ["metrics=full", f"count={arguments.count}", "metrics.scores=[fid,psnr]"]
    values = api.score(run, *words, f"metrics.extractor={extractor}", "metrics.cache=data/references").values
    distance = str(find_score("fid", values))
    names = ("psnr", "ssim", "consistency", distance)
    return {"run": run.settings.name, **{name: f"{values[name]:.4g}" for name in names}, "images": arguments.count}


def drawn_by(run: api.OpenRun, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the small images of held-out ones, and what a run makes of them, both uint8."""
    conditions = conditions_of(run.method, run.data, "test", rows)
    pictures = run.method.condition.picture(conditions.rows)
    assert pictures is not None
    samples = run.method.sample(len(rows), conditions.load(), noise=Noise(0))
    return pictures, run.method.medium.store(samples).cpu()


def main() -> None:
    """Score each run, draw the same images with each, write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders of methods that enlarge images of one data set")
    parser.add_argument("--features", type=Path, help="a CLIP run whose features FID is in; those of digits without")
    parser.add_argument("--count", type=int, default=2000, help="held-out images of each score")
    parser.add_argument("--shown", type=int, default=SHOWN, help="held-out images that are drawn")
    parser.add_argument("--name", default="digits", help="of the files")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    table, columns, real, shown = [], [], None, torch.arange(arguments.shown)
    for path in find_runs(arguments.runs):
        run = api.open_run(path)
        run.data.prepare_data()
        if not run.method.derives_condition or run.method.condition is None:
            raise UserError(f"{path} is of a method that enlarges no images")
        table.append(scores_of(run, arguments))
        print(table[-1], flush=True)
        small, large = drawn_by(run, shown)
        columns += [large] if columns else [small, large]
        real = run.data.store("test").samples[shown]
        write_csv(table, arguments.out / f"{arguments.name}.csv")
    assert real is not None
    save_image(make_grid(place_beside(*columns, real), 2), arguments.out / f"{arguments.name}.png")
    print(arguments.out)


if __name__ == "__main__":
    main()
