"""What adaptive augmentation does on few images: distance, overfitting and probability over the steps. See README.md.

python experiments/adaptive_augmentation/study.py outputs/stylegan_faces/RUN outputs/without/RUN
"""

import argparse
from pathlib import Path
from typing import Any

from genbench.commands.run_records import RunRecord, find_runs, read_run
from genbench.errors import UserError
from genbench.figures.charts import make_chart, save_chart, write_csv
from genbench.score_names import find_score

HERE = Path(__file__).parent
OVERFITTING, PROBABILITY = "adversary/overfitting", "adversary/augmentation"


def curve(run: RunRecord, name: str) -> tuple[list[float], list[float]]:
    """Return the images that were seen and a figure, where there is one."""
    pairs = zip(run.curves["images"], run.curves[name], strict=True)
    known = [(images, value) for images, value in pairs if images is not None and value is not None]
    return [images for images, _ in known], [value for _, value in known]


def distance_of(run: RunRecord) -> str:
    """Return the name of a run's Frechet distance among its curves.

    Raises:
        UserError: the run has no such curve, or is of another method.
    """
    scores = {name.removeprefix("score/"): name for name in run.curves if name.startswith("score/")}
    found = find_score("fid", scores)
    if found is None or OVERFITTING not in run.curves:
        raise UserError(f"{run.path} has no curve of fid and of {OVERFITTING}: train method=stylegan with metrics")
    return scores[found]


def main() -> None:
    """Tabulate the least and the last distance of each run, and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders of method=stylegan, or patterns of them")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    runs = [read_run(path) for path in find_runs(arguments.runs)]
    rows: list[dict[str, Any]] = []
    figure, panels = make_chart(3, aspect=1.3)
    for run in runs:
        name = distance_of(run)
        images, distances = curve(run, name)
        best = min(range(len(distances)), key=distances.__getitem__)
        rows.append({
            "run": run.experiment,
            "images": f"{images[-1]:.0f}",
            "least": f"{distances[best]:.4g}",
            "least_at": f"{images[best]:.0f}",
            "last": f"{distances[-1]:.4g}",
            "overfitting": f"{curve(run, OVERFITTING)[1][-1]:.3f}",
            "probability": f"{curve(run, PROBABILITY)[1][-1]:.3f}",
        })  # fmt: skip
        for panel, key in zip(panels, (name, OVERFITTING, PROBABILITY), strict=True):
            panel.plot(*curve(run, key), label=run.experiment)
    for panel, label in zip(panels, ("Frechet distance", "E[sign D(x)]", "probability of augmentations"), strict=True):
        panel.set(xlabel="images", ylabel=label)
    panels[0].set_yscale("log")
    panels[0].legend(fontsize=7)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_csv(rows, arguments.out / "runs.csv")
    save_chart(figure, arguments.out / "curves.png")
    print(arguments.out)


if __name__ == "__main__":
    main()
