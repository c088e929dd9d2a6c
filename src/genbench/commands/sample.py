"""`sample`: draw images from a run."""

from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from genbench.commands.assembly import OpenRun, open_run
from genbench.commands.drawing import Drawing
from genbench.commands.inpainting import fill_in
from genbench.commands.sample_folder import choose_sample_folder
from genbench.data.prepare_progress import Progress
from genbench.data.sample_set import open_samples
from genbench.errors import UserError
from genbench.figures.captions import with_captions
from genbench.figures.grid import make_grid, place_beside
from genbench.images import save_image
from genbench.methods.base import TranslatesBack
from genbench.metrics.conditions import conditions_in_turn, held_out
from genbench.randomness import chunks
from genbench.sampling import sample_chunks

_SHOWN = 100
"""Images of the picture."""

_QUIET = 5.0
"""Seconds of work that say nothing of how far they are where there is no terminal."""


def main(config: DictConfig) -> None:
    """Write `count` images as PNG as they are drawn, and a grid of the first 100 beside them.

    A set that was stopped is continued.

    Raises:
        UserError: the run folder or a setting does not do, or there is no room.
    """
    run = open_run(config)
    folder = choose_sample_folder(run, config)
    drawing = fill_in(run, config) if config.mask is not None else _drawing(run, config)
    done = folder.begin(drawing.count, drawing.conditions)
    already = sum(size for chunk, size in chunks(drawing.count) if chunk in done)
    if already:
        print(f"{already:,} of them are there already: {folder.images}")
    drawn = sample_chunks(drawing.sample, drawing.count, config.seed, conditions=drawing.conditions, done=done)
    try:
        with Progress("samples", drawing.count, already, quiet=_QUIET) as progress:
            for first, images in drawn:
                for index, image in enumerate(images.cpu(), start=first):
                    save_image(image, folder.image(index))
                progress.advance(len(images))
        shown = open_samples(folder.images, run.data.image_shape[0], min(_SHOWN, drawing.count))[:_SHOWN]
        save_image(make_grid(drawing.show(shown)), folder.grid)
    except OSError as error:
        raise UserError(f"{folder.path} can't be written: {error.strerror}; the same command goes on") from error
    print(f"{drawing.count} images: {folder.images}\ngrid: {folder.grid}")


def _drawing(run: OpenRun, config: DictConfig) -> Drawing:
    conditions = _conditions(run, config)
    sample = run.method.sample
    if config.back:
        assert isinstance(run.method, TranslatesBack)
        sample = run.method.sample_back
    # Of somebody's own sources as many as there are.
    count = config.count if conditions is None else len(conditions)

    def show(images: Tensor) -> Tensor:
        if conditions is None:
            return images
        own = conditions[: len(images)]
        captions = run.data.captions(own)
        if captions is not None:
            return with_captions(images, captions)
        return place_beside(own, images) if own.ndim == 4 else images

    return Drawing(sample, count, conditions, show)


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
