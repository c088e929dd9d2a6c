"""`sample`: draw images from a run."""

from pathlib import Path

from omegaconf import DictConfig

from genbench.commands.assembly import open_run
from genbench.figures.grid import make_grid, save_image
from genbench.sampling import sample_images


def main(config: DictConfig) -> None:
    """Write `count` images as PNG, and a grid of the first 100 beside them.

    Raises:
        UserError: the run folder or a setting does not do.
    """
    run = open_run(config)
    out = Path(config.out) if config.out else run.folder.samples / f"{config.checkpoint}_seed{config.seed}"
    images = sample_images(run.method.sample, config.count, config.seed)
    for index, image in enumerate(images):
        save_image(image, out / "images" / f"{index:06d}.png")
    save_image(make_grid(images[:100]), out / "grid.png")
    print(f"{len(images)} images: {out / 'images'}\ngrid: {out / 'grid.png'}")
