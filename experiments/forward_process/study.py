"""A picture dissolving under each schedule and process, and its signal-to-noise ratio. See README.md beside this file.

python experiments/forward_process/study.py data=mnist data.root=DIR
"""

import argparse
from pathlib import Path

import torch

from genbench.commands.assembly import build_data
from genbench.config import compose_config
from genbench.diffusion.processes import (
    DiscreteProcess,
    Process,
    SubVariancePreserving,
    VarianceExploding,
    VariancePreserving,
)
from genbench.figures.charts import make_chart, save_chart, write_csv
from genbench.figures.grid import make_grid
from genbench.images import save_image, to_float, to_uint8
from genbench.randomness import Noise

HERE = Path(__file__).parent
SHOWN = 11
PROCESSES: dict[str, Process] = {
    "linear": DiscreteProcess("linear"),
    "quadratic": DiscreteProcess("quadratic"),
    "cosine": DiscreteProcess("cosine"),
    "sigmoid": DiscreteProcess("sigmoid"),
    "vp sde": VariancePreserving(),
    "sub-vp sde": SubVariancePreserving(),
    "ve sde": VarianceExploding(0.02, 100.0),
}


def main() -> None:
    """Draw the strips, the curves and their table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", help="which data, such as data=mnist data.root=DIR; digits by default")
    parser.add_argument("--index", type=int, default=0, help="which training image")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    data = build_data(compose_config("train", arguments.settings))
    data.prepare_data()
    x_0 = to_float(data.store("train").samples[arguments.index : arguments.index + 1])
    eps = Noise(0).normal(1, *data.image_shape)
    strips = []
    for process in PROCESSES.values():
        t = torch.linspace(process.first, 1, SHOWN)
        x_t = process.diffuse(x_0.expand(SHOWN, -1, -1, -1), t, eps.expand(SHOWN, -1, -1, -1))
        # What explodes is shown at the scale of what is preserved.
        scale = (process.alpha(t).square() + process.sigma(t).square()).sqrt().clamp_min(1).view(-1, 1, 1, 1)
        strips.append(to_uint8((x_t / scale).clamp(-1, 1)))
    save_image(make_grid(torch.cat(strips), SHOWN), arguments.out / "dissolving.png")

    figure, (share_panel, snr_panel) = make_chart(2)
    rows = []
    for name, process in PROCESSES.items():
        t = torch.linspace(process.first, 1, 201, dtype=torch.float64)
        share = process.alpha(t).square() / (process.alpha(t).square() + process.sigma(t).square())
        decibels = process.log_snr(t) * 10 / torch.log(torch.tensor(10.0))
        share_panel.plot(t, share, label=name, linestyle="--" if "sde" in name else "-")
        snr_panel.plot(t, decibels, label=name, linestyle="--" if "sde" in name else "-")
        rows += [
            {"process": name, "t": f"{a:.3f}", "image_share": f"{b:.5f}", "snr_db": f"{c:.2f}"}
            for a, b, c in list(zip(t.tolist(), share.tolist(), decibels.tolist(), strict=True))[::10]
        ]
    share_panel.set(xlabel="t", ylabel="share of the image in the variance")
    snr_panel.set(xlabel="t", ylabel="signal-to-noise ratio, dB", ylim=(-60, 60))
    snr_panel.legend(fontsize="small")
    save_chart(figure, arguments.out / "snr.png")
    write_csv(rows, arguments.out / "snr.csv")
    print(f"{len(PROCESSES)} processes: {arguments.out}")


if __name__ == "__main__":
    main()
