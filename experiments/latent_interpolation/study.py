"""Walk through the latent space of runs, in straight lines and on great circles. See README.md beside this file.

python experiments/latent_interpolation/study.py outputs/gan_mnist/RUN outputs/wgan_gp_mnist/RUN
"""

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor

from genbench.abilities import HasLatents
from genbench.commands.opening import OpenRun, open_run
from genbench.config import compose_config, short_name
from genbench.errors import UserError
from genbench.figures.animation import save_animation
from genbench.figures.charts import write_csv
from genbench.figures.grid import make_grid
from genbench.images import save_image
from genbench.interpolation import closed_path, decode_path, lerp, slerp
from genbench.randomness import Noise

HERE = Path(__file__).parent
PATHS = {"linear": lerp, "spherical": slerp}


def decode(run: OpenRun, z: Tensor) -> Tensor:
    """Return uint8 images (rows, T, C, H, W) of latents (rows, T, D); a conditional method draws one class a row."""
    method = run.method
    assert isinstance(method, HasLatents)
    conditions = None
    if method.condition is not None:
        examples = method.condition.examples(len(z))
        if examples is None:
            raise UserError(f"{run.folder.path} draws conditions that are no classes")
        conditions = method.condition.load(examples)
    return decode_path(method, z, conditions)


def main() -> None:
    """Draw strips and an animation of each run, and measure how even its walks are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders of methods with latents")
    parser.add_argument("--walks", type=int, default=6, help="strips of each path")
    parser.add_argument("--steps", type=int, default=11, help="images a strip")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    begun, rows = time.monotonic(), []
    for folder in arguments.runs:
        run = open_run(compose_config("sample", [f"run={folder}", "device=auto"]))
        if not isinstance(run.method, HasLatents):
            raise UserError(f"{folder} is of a method without latents: there is nothing to walk through")
        name = short_name(run.settings.method)
        ends = Noise(arguments.seed).normal(2 * arguments.walks, run.method.latent_dim)
        start, end = ends[::2], ends[1::2]
        strips = []
        for path, interpolate in PATHS.items():
            z = interpolate(start, end, torch.linspace(0, 1, arguments.steps))
            strips.append(decode(run, z))
            jumps = strips[-1].float().diff(dim=1).abs().flatten(2).mean(2) / 127.5
            rows.append(
                {
                    "method": name,
                    "path": path,
                    "shortest_latent": round(float(z.norm(dim=2).min(1).values.mean()), 3),
                    "mean_jump": round(float(jumps.mean()), 4),
                    "largest_jump": round(float(jumps.max(1).values.mean()), 4),
                }
            )
        # Each walk's straight line above its circle.
        interleaved = torch.stack(strips, 1).flatten(0, 2)
        save_image(make_grid(interleaved, arguments.steps), arguments.out / f"{name}.png")
        # Nine closed tours of four stops each, side by side.
        stops = Noise(arguments.seed + 1).normal(9 * 4, run.method.latent_dim).view(9, 4, -1)
        tours = torch.stack([closed_path(tour, 8, slerp) for tour in stops])
        frames = decode(run, tours)
        save_animation([make_grid(frames[:, t]) for t in range(32)], arguments.out / f"{name}.gif")
    write_csv(rows, arguments.out / "walks.csv")
    print(f"{len(arguments.runs)} runs in {time.monotonic() - begun:.0f} s: {arguments.out}")


if __name__ == "__main__":
    main()
