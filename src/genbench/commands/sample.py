"""`sample`: draw images from a run."""

from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from genbench.commands.assembly import OpenRun, open_run
from genbench.errors import UserError
from genbench.figures.grid import make_grid, save_image
from genbench.metrics.conditions import conditions_in_turn
from genbench.sampling import sample_images


def main(config: DictConfig) -> None:
    """Write `count` images as PNG, and a grid of the first 100 beside them.

    Raises:
        UserError: the run folder or a setting does not do.
    """
    run = open_run(config)
    out = Path(config.out) if config.out else run.folder.samples / f"{config.checkpoint}_seed{config.seed}"
    images = sample_images(run.method.sample, config.count, config.seed, _conditions(run, config))
    for index, image in enumerate(images):
        save_image(image, out / "images" / f"{index:06d}.png")
    save_image(make_grid(images[:100]), out / "grid.png")
    print(f"{len(images)} images: {out / 'images'}\ngrid: {out / 'grid.png'}")


def _conditions(run: OpenRun, config: DictConfig) -> Tensor | None:
    """Return the class that is asked for, or the classes in turn."""
    if not run.method.is_conditional:
        if config.label is not None:
            raise UserError(f"{run.folder.path} is of an unconditional method: it knows no label={config.label}")
        return None
    if config.label is None:
        run.data.prepare_data()
        return conditions_in_turn(run.data, config.count)
    if run.data.num_classes is None or not 0 <= config.label < run.data.num_classes:
        known = "no classes" if run.data.num_classes is None else f"classes 0 to {run.data.num_classes - 1}"
        raise UserError(f"label={config.label}: {run.data.name} has {known}")
    return torch.full((config.count,), config.label)
