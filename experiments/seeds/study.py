"""How far the seed alone moves a score: the runs of a sweep, method by method. See README.md beside this file.

python experiments/seeds/study.py 'outputs/seeds/*'
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

from genbench.commands.protocols import common_scores
from genbench.commands.run_records import RunRecord, find_runs, read_run
from genbench.errors import UserError
from genbench.figures.charts import make_chart, save_chart, write_csv

HERE = Path(__file__).parent
SCORE = "fid_digits"


Scored = list[tuple[RunRecord, dict[str, float]]]
"""Runs with their scores, all under one protocol."""


def summarise(experiment: str, runs: Scored) -> dict[str, Any]:
    """Return what is known of an experiment's seeds."""
    values = [scores[SCORE] for _, scores in runs]
    mean, deviation = statistics.fmean(values), statistics.stdev(values)
    return {
        "experiment": experiment,
        "seeds": len(values),
        "steps": runs[0][0].steps,
        "mean": f"{mean:.4g}",
        "deviation": f"{deviation:.3g}",
        "smallest": f"{min(values):.4g}",
        "largest": f"{max(values):.4g}",
        "deviation_by_mean": f"{deviation / mean:.2f}",
        "smallest_class": f"{min(scores['smallest_class_digits'] for _, scores in runs):.3f}",
    }


def main() -> None:
    """Tabulate the seeds and draw each run as a point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders, or patterns of them")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    found: dict[str, list[RunRecord]] = {}
    for run in map(read_run, find_runs(arguments.runs)):
        found.setdefault(run.experiment, []).append(run)
    several = {name: scored for name, runs in found.items() if len(scored := common_scores(runs, SCORE)) > 1}
    if not several:
        raise UserError("no experiment has two runs with scores: train it with several seeds")
    rows = sorted((summarise(name, runs) for name, runs in several.items()), key=lambda row: float(row["mean"]))
    write_csv(rows, arguments.out / "seeds.csv")
    figure, (panel,) = make_chart(aspect=2.0)
    for place, row in enumerate(rows):
        values = [scores[SCORE] for _, scores in several[row["experiment"]]]
        panel.scatter(values, [place] * len(values), s=18, alpha=0.7)
        panel.plot([float(row["mean"])] * 2, [place - 0.25, place + 0.25], color="black", linewidth=1)
    panel.set_yticks(range(len(rows)), [row["experiment"] for row in rows])
    panel.set(xscale="log", xlabel=f"{SCORE}, a point a seed; the bar is the mean")
    panel.invert_yaxis()
    save_chart(figure, arguments.out / "seeds.png")
    print(f"{sum(row['seeds'] for row in rows)} runs of {len(rows)} experiments: {arguments.out}")


if __name__ == "__main__":
    main()
