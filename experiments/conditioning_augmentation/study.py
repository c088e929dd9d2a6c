"""The distance of a cascade's samples from real images by the noise that its upsampler is given. See README.md.

python experiments/conditioning_augmentation/study.py CASCADE_RUN ... --features CLIP_RUN
"""

import argparse
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from genbench import api
from genbench.commands.run_records import find_runs
from genbench.errors import UserError
from genbench.figures.charts import make_chart, save_chart, write_csv
from genbench.methods.denoising.cascade import Cascade
from genbench.score_names import find_score

HERE = Path(__file__).parent
KINDS = ("non_truncated", "truncated")

Row = dict[str, Any]


def points(path: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    """Yield the distance of a run's samples at each level of noise."""
    run = api.open_run(path)
    method: Any = run.method
    if not isinstance(method, Cascade):
        raise UserError(f"{path} is no run of method=cascade")
    is_augmented = all(stage.augments for stage in method.stages.values())
    for kind in KINDS if is_augmented else KINDS[:1]:
        for level in arguments.levels if is_augmented else [0.0]:
            if not level and kind == "truncated":
                # Without noise both are the same.
                continue
            method.augmentation, method.level = kind, level
            values = api.score(run, *protocol(arguments)).values
            distance = values[str(find_score("fid", values))]
            yield {
                "augmentation": kind if is_augmented else "none",
                "level": level,
                "fid": round(distance, 4),
                "samples": arguments.count,
                "run": path.name,
            }


def protocol(arguments: argparse.Namespace) -> list[str]:
    """Return the words of a score."""
    return [
        "metrics=full",
        f"count={arguments.count}",
        "metrics.scores=[fid]",
        f"metrics.extractor=run:{arguments.features}",
        "metrics.cache=data/references",
    ]


def draw(rows: list[Row], path: Path) -> None:
    """Draw a curve for each kind of augmentation."""
    figure, (panel,) = make_chart(aspect=1.4)
    for name, group in groupby(rows, key=lambda row: row["augmentation"]):
        own = list(group)
        panel.plot([row["level"] for row in own], [row["fid"] for row in own], marker="o", label=name)
    panel.set(xlabel="level of noise", ylabel="Frechet distance in CLIP's features")
    panel.legend(fontsize=7)
    save_chart(figure, path)


def main() -> None:
    """Score every level, write the table and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders of method=cascade, or patterns of them")
    parser.add_argument("--features", type=Path, required=True, help="a CLIP run")
    parser.add_argument("--levels", type=float, nargs="+", default=[0, 0.1, 0.2, 0.3, 0.5, 0.7])
    parser.add_argument("--count", type=int, default=1000, help="samples of each score")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    paths = find_runs(arguments.runs)
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for path in paths:
        for row in points(path, arguments):
            rows.append(row)
            print(row, flush=True)
            # A long study is not lost if it is stopped.
            write_csv(rows, arguments.out / "levels.csv")
    draw(rows, arguments.out / "levels.png")
    print(arguments.out)


if __name__ == "__main__":
    main()
