"""How many digits, and how evenly, the runs of a sweep draw. See README.md beside this file.

python experiments/mode_collapse/digits.py outputs/mode_collapse/*
"""

import argparse
from pathlib import Path
from typing import Any

import torch

from genbench.commands.opening import open_run
from genbench.config import compose_config
from genbench.figures.charts import write_csv
from genbench.figures.grid import make_grid
from genbench.images import save_image
from genbench.metrics.evaluator import Evaluator
from genbench.metrics.predictions import class_fractions
from genbench.sampling import sample_set

HERE = Path(__file__).parent
SHOWN = 16
FOUND = 0.01
"""A digit is found if this share of the samples shows it."""


def main() -> None:
    """Draw, classify and tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=2000, help="samples of each run")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    evaluator = Evaluator(arguments.count, scores=["fid"])
    rows: list[dict[str, Any]] = []
    shown = []
    for folder in sorted(arguments.runs):
        run = open_run(compose_config("sample", [f"run={folder}", "device=cpu"]))
        if not rows:
            evaluator.set_reference(run.data)
        drawn = evaluator.draw(run.method.sample, torch.device("cpu"))
        share = class_fractions(drawn.generated.logits)
        divergence = float((share * (share * len(share)).clamp_min(1e-12).log()).sum())
        settings = run.settings.method
        objective = settings.get("objective", settings["_target_"].rpartition(".")[2])
        rows.append(
            {
                "method": f"{objective}, {run.settings.network.generator['_target_'].rpartition('.')[2]}",
                "seed": run.settings.seed,
                "steps": run.step,
                "digits": int((share >= FOUND).sum()),
                "smallest": round(float(share.min()), 4),
                "kl": round(divergence, 4),
                "fid_digits": round(evaluator.score(drawn, {}).values["fid_digits"], 1),
            }
        )
        print(rows[-1])
        if run.settings.seed == 0:
            shown.append(sample_set(run.method.sample, SHOWN, 0, run.method.medium))
    write_csv(rows, arguments.out / "digits.csv")
    save_image(make_grid(torch.cat(shown), SHOWN), arguments.out / "digits.png")


if __name__ == "__main__":
    main()
