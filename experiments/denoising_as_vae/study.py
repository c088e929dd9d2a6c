"""Bits/dim of a VAE and of diffusion models, and the terms of their bounds. See README.md beside this file.

python experiments/denoising_as_vae/study.py outputs/vae_mnist16/RUN outputs/ddpm_mnist16/RUN \
    outputs/improved_ddpm_mnist16/RUN outputs/score_sde_mnist16/RUN
"""

import argparse
import time
from pathlib import Path
from typing import Any

import torch

from genbench.abilities import HasLikelihood
from genbench.commands.opening import OpenRun, open_run
from genbench.config import compose_config, short_name
from genbench.errors import UserError
from genbench.figures.charts import make_chart, save_chart, write_csv
from genbench.methods.denoising.ddpm import DDPM
from genbench.metrics.conditions import held_out
from genbench.metrics.material import Material, Origin
from genbench.metrics.scores.bits_per_dim import BitsPerDim, even_chunks
from genbench.randomness import Noise

HERE = Path(__file__).parent


def terms(run: OpenRun, count: int) -> torch.Tensor:
    """Return the mean over held-out images of the bound's terms (T + 1,), in bits a dimension."""
    method = run.method
    assert isinstance(method, DDPM)
    store, found = run.data.store(held_out(run.data)), []
    for chunk, batch in even_chunks(store, count):
        found.append(method.bound_terms(batch.x, method.condition_of(batch), noise=Noise(0, chunk)))
    return torch.cat(found).mean(0).cpu()


def main() -> None:
    """Compute, plot and tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="run folders of methods that can say bits/dim")
    parser.add_argument("--count", type=int, default=256, help="held-out images")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    begun = time.monotonic()
    rows: list[dict[str, Any]] = []
    figure, (each, summed) = make_chart(2)
    for folder in arguments.runs:
        run = open_run(compose_config("sample", [f"run={folder}", "device=auto"]))
        if not isinstance(run.method, HasLikelihood):
            raise UserError(f"{folder} is of a method that can't say how likely images are")
        run.data.prepare_data()
        name, start = short_name(run.settings.method), time.monotonic()
        row: dict[str, Any] = {"method": name, "what": run.method.likelihood}
        if isinstance(run.method, DDPM):
            found = terms(run, arguments.count)
            t = torch.arange(1, len(found)) / (len(found) - 1)
            each.plot(t, found[:-1], label=name)
            summed.plot(t, found[:-1].cumsum(0), label=name)
            row |= {
                "bits_per_dim": float(found.sum()),
                "decoder": float(found[0]),
                "steps": float(found[1:-1].sum()),
                "prior": float(found[-1]),
            }
        else:
            origin = Origin(run.method, run.data, held_out(run.data))
            values = BitsPerDim(arguments.count).compute(Material(0, origin=origin))
            row |= {"bits_per_dim": values["bits_per_dim"], "decoder": "", "steps": "", "prior": ""}
            summed.axhline(values["bits_per_dim"], linestyle="--", color="grey")
            summed.annotate(name, (1, values["bits_per_dim"]), ha="right", va="bottom", fontsize="small")
        row["seconds"] = round(time.monotonic() - start)
        rows.append({key: f"{value:.4g}" if isinstance(value, float) else value for key, value in row.items()})
        print(rows[-1], flush=True)
    each.set(xlabel="t", ylabel="term, bits/dim", yscale="log")
    summed.set(xlabel="t", ylabel="sum of the terms up to t, bits/dim", ylim=(0, None))
    each.legend(fontsize="small")
    save_chart(figure, arguments.out / "bits.png")
    write_csv(rows, arguments.out / "bits.csv")
    print(f"{len(rows)} methods in {time.monotonic() - begun:.0f} s: {arguments.out}")


if __name__ == "__main__":
    main()
