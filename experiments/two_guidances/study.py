"""Alignment with captions against the distance from real images, by the scale of two guidances. See README.md.

python experiments/two_guidances/study.py GLIDE_RUN GUIDED_RUN --features CLIP_RUN
"""

import argparse
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from genbench import api
from genbench.commands.run_records import find_runs
from genbench.figures.charts import make_chart, save_chart, write_csv
from genbench.methods.denoising.guided_by_clip import GuidedByClip
from genbench.score_names import find_score

HERE = Path(__file__).parent
ALIGNMENT = ("alignment_all", "alignment_digit")
GIVEN = {"caption": "CLIP, of a model given the caption", "nothing": "CLIP alone"}

Row = dict[str, Any]


def curve(path: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    """Yield the scores of a run at each scale of its guidance."""
    name, scales = "classifier-free", arguments.classifier_free
    method = api.open_run(path).method
    if isinstance(method, GuidedByClip):
        name, scales = GIVEN[method.denoiser_given], arguments.clip
    for scale in scales:
        begun = time.monotonic()
        run = api.open_run(path, f"guidance={scale:g}", "sampler=ancestral", f"sampler.steps={arguments.steps}")
        values = api.score(run, *protocol(arguments)).values
        distance = values[str(find_score("fid", values))]
        yield {
            "guidance": name,
            "scale": scale,
            **{key: round(values[key], 4) for key in ALIGNMENT},
            "fid": round(distance, 4),
            "seconds": round(time.monotonic() - begun),
            "run": path.name,
        }


def protocol(arguments: argparse.Namespace) -> list[str]:
    """Return the words of a score."""
    return [
        "metrics=scenes",
        f"count={arguments.count}",
        "metrics.scores=[alignment,fid]",
        f"metrics.extractor=run:{arguments.features}",
        "metrics.cache=data/references",
    ]


def draw(rows: list[Row], path: Path) -> None:
    """Draw a curve for each guidance, with the scale at each point."""
    figure, (panel,) = make_chart(aspect=1.4)
    for name, group in groupby(rows, key=lambda row: row["guidance"]):
        points = list(group)
        panel.plot([row["fid"] for row in points], [row["alignment_all"] for row in points], marker="o", label=name)
        for row in points:
            place = (row["fid"], row["alignment_all"])
            panel.annotate(f"{row['scale']:g}", place, xytext=(3, 3), textcoords="offset points", fontsize=6)
    panel.set(xlabel="Frechet distance in CLIP's features", ylabel="everything right", ylim=(0, 1.02))
    panel.legend(fontsize=7)
    save_chart(figure, path)


def main() -> None:
    """Score every scale, write the table and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders of glide_scenes and of guided_scenes, or patterns of them")
    parser.add_argument("--features", type=Path, required=True, help="a CLIP run that guided none of them")
    parser.add_argument("--classifier-free", type=float, nargs="+", default=[0, 0.5, 1, 2, 4, 8], help="scales w")
    parser.add_argument("--clip", type=float, nargs="+", default=[0, 1, 3, 10, 30, 100], help="scales s")
    parser.add_argument("--count", type=int, default=1000, help="images of each score")
    parser.add_argument("--steps", type=int, default=100, help="of ancestral sampling")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    paths = find_runs(arguments.runs)
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for path in paths:
        for row in curve(path, arguments):
            rows.append(row)
            print(row, flush=True)
            # A long study is not lost if it is stopped.
            write_csv(rows, arguments.out / "guidances.csv")
    draw(rows, arguments.out / "guidances.png")
    print(arguments.out)


if __name__ == "__main__":
    main()
