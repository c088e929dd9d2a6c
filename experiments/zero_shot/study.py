"""What zero-shot prediction gains from pairs and from prompts. See README.md beside this file.

python experiments/zero_shot/study.py 'outputs/zero_shot/*' --prompts outputs/clip_cifar10/RUN
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genbench import api
from genbench.commands.run_records import find_runs
from genbench.errors import UserError
from genbench.figures.charts import make_chart, save_chart, write_csv
from genbench.metrics.splits import batches_of
from genbench.zero_shot import classifier_weights, embed_images

HERE = Path(__file__).parent
FIGURES = {
    "zero_shot_digit": "digit",
    "zero_shot_colour": "colour",
    "zero_shot_pair": "digit and colour",
    "zero_shot_pair_unseen": "digit and colour, unseen together",
    "image_to_text_recall_1": "caption among 100",
    "image_to_text_recall_1_unseen": "caption among 100, unseen pairs",
}

Row = dict[str, Any]


def of_pairs(paths: list[Path]) -> list[Row]:
    """Return the scores of runs on scenes, by the number of their training pairs."""
    rows = []
    for path in paths:
        run = api.open_run(path)
        values = api.score(run, "metrics.scores=[zero_shot,retrieval]").values
        found = {name: round(values[name], 4) for name in FIGURES}
        rows.append({"pairs": run.settings.data.count, "steps": run.step, **found})
        print(rows[-1], flush=True)
    return sorted(rows, key=lambda row: row["pairs"])


def of_prompts(path: Path, templates: tuple[str, ...]) -> list[Row]:
    """Return the accuracy of a run on labelled images by each template, and by the ensemble of the first so many."""
    run = api.open_run(path)
    model: Any = run.method
    templates = templates or tuple(run.data.captions)
    store = run.data.labelled("test")
    features, labels = embed_images(model, batches_of(store)), store.conditions[:]
    rows: list[Row] = []

    def add(kind: str, used: tuple[str, ...]) -> None:
        predicted = _predict(features, classifier_weights(model, run.data.every_phrase(), used))
        hits = (predicted == labels).double()
        row = {"prompts": kind, "templates": len(used), "last template": used[-1]}
        rows.append(row | {"accuracy": round(float(hits.mean()), 4), "images": len(hits)})
        print(rows[-1], flush=True)

    for template in templates:
        add("one", (template,))
    for count in range(2, len(templates) + 1):
        add("ensemble", templates[:count])
    return rows


def _predict(features: Tensor, weights: Tensor) -> Tensor:
    return torch.cat([(part @ weights.T).argmax(1) for part in features.split(1000)])


def draw(rows: list[Row], path: Path) -> None:
    """Draw the accuracies of runs over the number of their training pairs."""
    figure, (panel,) = make_chart(aspect=1.6)
    pairs = [row["pairs"] for row in rows]
    for name, label in FIGURES.items():
        style = "--" if name.endswith("_unseen") else "-"
        panel.plot(pairs, [row[name] for row in rows], style, marker="o", markersize=3, label=label)
    panel.set(xscale="log", xlabel="training pairs", ylabel="fraction right", ylim=(0, 1.02))
    panel.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    save_chart(figure, path)


def main() -> None:
    """Score the runs, write the tables and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", help="run folders of CLIPs on scenes, or patterns of them")
    parser.add_argument("--prompts", type=Path, help="run folder of a CLIP on labelled images captioned by templates")
    parser.add_argument("--templates", nargs="+", help="its prompts; else those of its training")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    if not arguments.runs and arguments.prompts is None:
        raise UserError("name run folders, or --prompts RUN")
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.runs:
        rows = of_pairs(find_runs(arguments.runs))
        write_csv(rows, arguments.out / "pairs.csv")
        draw(rows, arguments.out / "pairs.png")
    if arguments.prompts is not None:
        write_csv(of_prompts(arguments.prompts, tuple(arguments.templates or ())), arguments.out / "prompts.csv")
    print(arguments.out)


if __name__ == "__main__":
    main()
