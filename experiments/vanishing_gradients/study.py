"""Show how the generator's gradient dies as its discriminator gets better. See README.md beside this file.

python experiments/vanishing_gradients/study.py outputs/vanishing_gradients/RUN
"""

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from genbench.commands.opening import OpenRun, open_run
from genbench.config import compose_config
from genbench.figures.charts import make_chart, save_chart, write_csv
from genbench.losses import Objective, make_objective

HERE = Path(__file__).parent
BATCH = 64
CLIP = 0.01


def generator_gradient(run: OpenRun, discriminator: nn.Module, objective: Objective, z: Tensor) -> float:
    """Return the norm of the gradient that the generator's loss has in all of its parameters."""
    generator: nn.Module = run.method.generator  # type: ignore[assignment]
    loss = objective.generator(discriminator(generator(z)))
    gradients = torch.autograd.grad(loss, list(generator.parameters()))
    return float(torch.nn.utils.get_total_norm(gradients))


def train_afresh(run: OpenRun, objectives: list[str], steps: int, every: int) -> list[dict[str, Any]]:
    """Train a new discriminator against the frozen generator, and measure what it leaves the generator on the way.

    Args:
        run: with its generator in training mode, as it would move.
        objectives: that share the discriminator's loss; "wasserstein" trains a critic as WGAN does.
        steps: of the discriminator.
        every: steps between two measurements.
    """
    torch.manual_seed(0)
    critic = objectives == ["wasserstein"]
    discriminator: nn.Module = instantiate(run.settings.method.discriminator)(image_shape=run.data.image_shape)
    optimizer = (
        torch.optim.RMSprop(discriminator.parameters(), 5e-5)
        if critic
        else torch.optim.Adam(discriminator.parameters(), 2e-4, betas=(0.5, 0.999))
    )
    generator: nn.Module = run.method.generator  # type: ignore[assignment]
    latent_dim: int = run.method.latent_dim  # type: ignore[assignment]
    z_measured = torch.randn(256, latent_dim)
    store = run.data.store("train")
    rows = []
    for step in range(steps + 1):
        if step % every == 0:
            norms = {
                name: generator_gradient(run, discriminator, make_objective(name), z_measured)  # type: ignore[arg-type]
                for name in objectives
            }
            rows += [{"discriminator_steps": step, "objective": name, "gradient": norms[name]} for name in objectives]
        x = store.batch(torch.randint(len(store), (BATCH,))).x
        with torch.no_grad():
            x_fake = generator(torch.randn(BATCH, latent_dim))
        loss = make_objective(objectives[0]).discriminator(discriminator(x), discriminator(x_fake))  # type: ignore[arg-type]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if critic:
            with torch.no_grad():
                for parameter in discriminator.parameters():
                    parameter.clamp_(-CLIP, CLIP)
    return rows


def main() -> None:
    """Measure, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run folder of a GAN that kept a checkpoint an epoch")
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 10, 25])
    parser.add_argument("--steps", type=int, default=1500, help="of each new discriminator")
    parser.add_argument("--every", type=int, default=25, help="discriminator steps between two measurements")
    parser.add_argument("--root", help="the data's folder, if it moved")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    begun = time.monotonic()
    rows: list[dict[str, Any]] = []
    for epoch in arguments.epochs:
        settings = compose_config("sample", [f"run={arguments.run}", "device=cpu"])
        first = open_run(settings)
        step = epoch * (len(first.data.store("train")) // first.data.batch_size)
        settings.checkpoint = f"step_{step:07d}"
        run = open_run(settings)
        run.method.requires_grad_(True).train()
        for objectives in (["minimax", "non_saturating"], ["wasserstein"]):
            measured = train_afresh(run, objectives, arguments.steps, arguments.every)
            rows += [{"generator_epochs": epoch, **row} for row in measured]
    write_csv(rows, arguments.out / "gradients.csv")
    figure, panels = make_chart(3, sharey=True)
    for panel, name in zip(panels, ("minimax", "non_saturating", "wasserstein"), strict=True):
        for epoch in arguments.epochs:
            own = [row for row in rows if row["generator_epochs"] == epoch and row["objective"] == name]
            x, y = ([row[key] for row in own] for key in ("discriminator_steps", "gradient"))
            panel.semilogy(x, y, label=f"generator after {epoch} epoch{'s' * (epoch > 1)}")
        panel.set(title=name.replace("_", "-"), xlabel="steps of a new discriminator")
    panels[0].set_ylabel("norm of the generator's gradient")
    panels[0].legend(frameon=False)
    save_chart(figure, arguments.out / "gradients.png")
    print(f"{arguments.out / 'gradients.png'} and gradients.csv in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
