"""Hold losses beside the quality of samples along a run. See README.md beside this file.

python experiments/wasserstein_curve/study.py outputs/wasserstein_curve_wgan_gp/RUN outputs/wasserstein_curve_gan/RUN
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from genbench.figures.charts import make_chart, read_csv, save_chart, write_csv

HERE = Path(__file__).parent
SKIPPED = 500
"""First steps, in which any critic has yet to learn what a digit is."""


def read(run: Path, figure: str) -> list[dict[str, float]]:
    """Return of each score the mean of a figure over the steps since the last score, and the FID."""
    rows, since = [], []
    for row in read_csv(run / "metrics.csv"):
        if row[figure]:
            since.append(float(row[figure]))
        if row.get("score/fid_digits") and int(row["step"]) > SKIPPED:
            mean = float(np.mean(since))
            rows.append({"step": int(row["step"]), "figure": mean, "fid_digits": float(row["score/fid_digits"])})
        if row.get("score/fid_digits"):
            since = []
    return rows


def main() -> None:
    """Read, correlate and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wasserstein", type=Path, help="run folder of a WGAN or WGAN-GP")
    parser.add_argument("gan", type=Path, help="run folder of a GAN")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    curves = {
        "the critic's estimate of the distance": read(arguments.wasserstein, "adversary/wasserstein"),
        "the GAN's generator loss": read(arguments.gan, "loss/generator"),
        "the GAN's discriminator loss": read(arguments.gan, "loss/discriminator"),
    }
    table: list[dict[str, Any]] = []
    figure, panels = make_chart(len(curves), height=3)
    for panel, (name, rows) in zip(panels, curves.items(), strict=True):
        steps, values, distances = (np.array([row[key] for row in rows]) for key in ("step", "figure", "fid_digits"))
        correlation, p_value = spearmanr(values, distances)
        table += [{"curve": name, **row} for row in rows]
        print(f"{name}: rank correlation with fid_digits {correlation:+.2f} (p {p_value:.2g}, {len(rows)} scores)")
        panel.plot(steps, values, color="C0")
        panel.set(title=f"{name}\nrank correlation {correlation:+.2f}", xlabel="step")
        panel.tick_params(axis="y", labelcolor="C0")
        other = panel.twinx()
        other.plot(steps, distances, color="C1", linestyle="--")
        other.set_yscale("log")
        for ticks in ("major", "minor"):
            other.tick_params(axis="y", which=ticks, labelcolor="C1")
        other.yaxis.set_major_formatter("{x:g}")
        other.yaxis.set_minor_formatter("{x:g}")
        other.spines["top"].set_visible(False)
        other.set_ylabel("fid_digits (dashed)", color="C1")
    write_csv(table, arguments.out / "curves.csv")
    save_chart(figure, arguments.out / "curves.png")


if __name__ == "__main__":
    main()
