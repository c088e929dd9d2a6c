"""Which objectives find all modes of a mixture of Gaussians. See README.md beside this file.

python experiments/mode_collapse/toys.py
"""

import argparse
import math
import multiprocessing
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genbench.batch import Batch
from genbench.figures.charts import make_chart, save_chart, write_csv
from genbench.methods.adversarial.gan import GAN
from genbench.methods.adversarial.latent_gan import LatentGAN
from genbench.methods.adversarial.wgan import WGAN
from genbench.methods.adversarial.wgan_gp import WGANGP
from genbench.networks.mlp import MLPDiscriminator, MLPGenerator
from genbench.randomness import Noise

HERE = Path(__file__).parent
SHAPE = (2, 1, 1)
"""A point is an image of one pixel with two channels."""
SAMPLES = 2500
BATCH = 256


def ring() -> tuple[Tensor, float]:
    """Return the centres (8, 2) and the deviation of Gaussians on a ring."""
    angles = torch.arange(8) * 2 * math.pi / 8
    return 0.8 * torch.stack([angles.cos(), angles.sin()], 1), 0.01


def grid() -> tuple[Tensor, float]:
    """Return the centres (25, 2) and the deviation of Gaussians on a grid."""
    line = torch.linspace(-0.8, 0.8, 5)
    return torch.cartesian_prod(line, line), 0.01


TARGETS = {"ring of 8": ring, "grid of 25": grid}

_NETWORKS = {
    "generator": partial(MLPGenerator, hidden=[128, 128]),
    "discriminator": partial(MLPDiscriminator, hidden=[128, 128]),
}


def adam(lr: float, beta: float) -> Callable[..., torch.optim.Optimizer]:
    """Return what makes Adam of parameters."""
    return partial(torch.optim.Adam, lr=lr, betas=(beta, 0.9 if beta == 0 else 0.999))


def method(name: str) -> LatentGAN:
    """Return a method with an objective of a name; all have the same networks."""
    same = {**_NETWORKS, "image_shape": SHAPE, "latent_dim": 16, "ema_decay": 0.0}
    usual = {"generator_optimizer": adam(5e-4, 0.5), "discriminator_optimizer": adam(5e-4, 0.5)}
    if name == "wasserstein, clipped":
        # A bound ten times the paper's: at 0.01 three narrow layers give the generator no gradient to speak of.
        optimizer = partial(torch.optim.RMSprop, lr=5e-4)
        return WGAN(**same, weight_clip=0.1, generator_optimizer=optimizer, discriminator_optimizer=optimizer)
    if name == "wasserstein, penalty":
        return WGANGP(**same, penalty=0.1, generator_optimizer=adam(5e-4, 0.0), discriminator_optimizer=adam(5e-4, 0.0))
    if name == "non-saturating, R1":
        return GAN(**same, **usual, r1=0.1)
    return GAN(**same, **usual, objective=name.replace("-", "_"))  # type: ignore[arg-type]


METHODS = (
    "minimax",
    "non-saturating",
    "least-squares",
    "hinge",
    "non-saturating, R1",
    "wasserstein, clipped",
    "wasserstein, penalty",
)


def draw(target: str, count: int) -> Tensor:
    """Return points (count, 2, 1, 1) of a target."""
    centres, deviation = TARGETS[target]()
    points = centres[torch.randint(len(centres), (count,))] + deviation * torch.randn(count, 2)
    return points.view(-1, *SHAPE)


def find_modes(points: Tensor, target: str) -> dict[str, float]:
    """Return how many modes points (N, 2) found, how far from uniform they fill them, and how many lie in one.

    A point is good if it lies within three deviations of its nearest centre, and a mode is found if it has a good
    point (Srivastava et al. 2017, section 4.1). The divergence is that of all points' nearest modes from uniform.
    """
    centres, deviation = TARGETS[target]()
    distances, nearest = torch.cdist(points, centres).min(1)
    good = distances < 3 * deviation
    share = torch.bincount(nearest, minlength=len(centres)) / len(points)
    divergence = (share * (share * len(centres)).clamp_min(1e-12).log()).sum()
    return {
        "modes": int(nearest[good].unique().numel()),
        "of": len(centres),
        "kl": round(float(divergence), 4),
        "good": round(float(good.float().mean()), 4),
    }


def train(task: tuple[str, str, int, int]) -> tuple[dict[str, Any], Tensor]:
    """Train one method on one target, and return what it found with its samples (N, 2)."""
    target, name, seed, steps = task
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    gan = method(name)
    discriminator_optimizer, generator_optimizer = gan.configure_optimizers()
    for step in range(steps):
        batch = Batch(draw(target, BATCH), None)
        discriminator_optimizer.zero_grad()
        gan.discriminator_loss(batch)[0].backward()
        discriminator_optimizer.step()
        gan.constrain_discriminator()
        if gan.generator_moves(step):
            generator_optimizer.zero_grad()
            gan.generator_loss(batch)[0].backward()
            generator_optimizer.step()
            gan.average.update_parameters(gan.generator)
    points = gan.sample(SAMPLES, noise=Noise(seed)).flatten(1)
    return {"target": target, "objective": name, "seed": seed, "steps": steps, **find_modes(points, target)}, points


def tasks(steps: int, seeds: int) -> Iterator[tuple[str, str, int, int]]:
    """Yield all that is to be trained."""
    for target in TARGETS:
        for name in METHODS:
            for seed in range(seeds):
                yield target, name, seed, steps


def chart(target: str, found: list[tuple[dict[str, Any], Tensor]], path: Path) -> None:
    """Draw what each method's first seed found, and say how many modes all of its seeds did."""
    figure, panels = make_chart(len(METHODS), height=2.2, aspect=0.9, sharex=True, sharey=True)
    centres, _ = TARGETS[target]()
    for panel, name in zip(panels, METHODS, strict=True):
        own = [(row, points) for row, points in found if (row["target"], row["objective"]) == (target, name)]
        panel.scatter(*own[0][1].T, s=1, alpha=0.3)
        panel.scatter(*centres.T, s=12, marker="+", color="C1", linewidth=0.8)
        modes = ", ".join(str(row["modes"]) for row, _ in own)
        panel.set_title(f"{name}\nmodes {modes}", fontsize=8)
        panel.set(xlim=(-1, 1), ylim=(-1, 1), xticks=(-1, 0, 1), yticks=(-1, 0, 1), box_aspect=1)
    save_chart(figure, path)


def main() -> None:
    """Train, count modes and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=15000, help="of the discriminator")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    begun = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
        found = pool.map(train, list(tasks(arguments.steps, arguments.seeds)), chunksize=1)
    write_csv([row for row, _ in found], arguments.out / "toys.csv")
    for target in TARGETS:
        chart(target, found, arguments.out / f"{target.replace(' ', '_')}.png")
    for row, _ in found:
        print(row)
    print(f"{len(found)} trainings in {time.monotonic() - begun:.0f} s: {arguments.out}")


if __name__ == "__main__":
    main()
