"""`sample`: draw images from a run."""

from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from genbench.commands.assembly import OpenRun, open_run
from genbench.commands.inpainting import fill_in
from genbench.data.sample_set import open_samples
from genbench.errors import UserError
from genbench.figures.captions import with_captions
from genbench.figures.grid import make_grid, place_beside, save_image
from genbench.methods.base import TranslatesBack
from genbench.metrics.conditions import conditions_in_turn, held_out
from genbench.sampling import sample_images


def main(config: DictConfig) -> None:
    """Write `count` images as PNG, and a grid of the first 100 beside them.

    Raises:
        UserError: the run folder or a setting does not do.
    """
    run = open_run(config)
    out = Path(config.out) if config.out else run.folder.samples / f"{config.checkpoint}_seed{config.seed}"
    if config.mask is not None:
        images, shown = fill_in(run, config)
    else:
        images, shown = _draw(run, config)
    for index, image in enumerate(images):
        save_image(image, out / "images" / f"{index:06d}.png")
    save_image(make_grid(shown), out / "grid.png")
    print(f"{len(images)} images: {out / 'images'}\ngrid: {out / 'grid.png'}")


def _draw(run: OpenRun, config: DictConfig) -> tuple[Tensor, Tensor]:
    """Return the images, and what a picture shows of them."""
    conditions = _conditions(run, config)
    sample = run.method.sample
    if config.back:
        assert isinstance(run.method, TranslatesBack)
        sample = run.method.sample_back
    # Of somebody's own sources as many as there are.
    count = config.count if conditions is None else len(conditions)
    images = sample_images(sample, count, config.seed, conditions)
    shown = images[:100]
    if conditions is not None and conditions.ndim == 4:
        shown = place_beside(conditions[:100], shown)
    captions = run.data.captions(conditions)
    return images, shown if captions is None else with_captions(shown, captions[:100])


def _conditions(run: OpenRun, config: DictConfig) -> Tensor | None:
    """Return the classes that are asked for, or the source images; uint8 (N, C, H, W) those."""
    path = run.folder.path
    translates = run.data.source_shape is not None and run.method.is_conditional
    if (config.sources is not None or config.back) and not translates:
        raise UserError(f"{path} is of a method that translates no images: it has no use for sources= and back=")
    if config.back and not isinstance(run.method, TranslatesBack):
        raise UserError(f"{path} is of a method that knows no way back: only back=false does")
    if config.label is not None and (translates or not run.method.is_conditional):
        raise UserError(f"{path} is of a method that draws no classes: it knows no label={config.label}")
    if not run.method.is_conditional:
        return None
    if translates:
        return _sources(run, config)
    if config.label is not None:
        return torch.full((config.count,), run.data.class_number(config.label))
    if run.data.num_classes is None:
        run.data.prepare_data()
    return conditions_in_turn(run.data, config.count)


def _sources(run: OpenRun, config: DictConfig) -> Tensor:
    """Return somebody's own images, at most `count`, or the first that the method never saw."""
    assert run.data.source_shape is not None
    shape = tuple(run.data.image_shape if config.back else run.data.source_shape)
    if config.sources is not None:
        opened = open_samples(Path(config.sources).expanduser(), shape[0])
        if tuple(opened.shape[1:]) != shape:
            raise UserError(f"sources={config.sources} are of {opened.shape[1:]}, and {run.folder.path} takes {shape}")
        return opened[: config.count]
    run.data.prepare_data()
    if config.back:
        images = run.data.store(held_out(run.data)).images[: config.count]
        return images[torch.arange(config.count) % len(images)]
    return conditions_in_turn(run.data, config.count)
