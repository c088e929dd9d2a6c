"""`sample`: draw samples from a run."""

import torch
from omegaconf import DictConfig
from torch import Tensor

from genbench.abilities import TranslatesBack
from genbench.commands.asked import asked
from genbench.commands.drawing import Drawing
from genbench.commands.inpainting import fill_in
from genbench.commands.opening import OpenRun, open_run
from genbench.commands.sample_folder import choose_sample_folder
from genbench.conditions.source_images import SourceImages
from genbench.data.prepare_progress import Progress
from genbench.errors import UserError
from genbench.figures.captions import under_conditions
from genbench.figures.grid import make_grid
from genbench.images import save_image
from genbench.medium import Images
from genbench.randomness import chunks
from genbench.sampling import sample_chunks

_SHOWN = 100
"""Samples of the picture."""

_QUIET = 5.0
"""Seconds of work that say nothing of how far they are where there is no terminal."""


def main(config: DictConfig) -> None:
    """Write `count` samples as they are drawn, images as PNG, and a grid of the first 100 beside them.

    A set that was stopped is continued.

    Raises:
        UserError: the run folder or a setting does not do, or there is no room.
    """
    run = open_run(config)
    folder = choose_sample_folder(run, config)
    drawing = fill_in(run, config) if config.mask is not None else _drawing(run, config)
    medium = drawing.medium
    done = folder.begin(drawing.count, drawing.conditions)
    already = sum(size for chunk, size in chunks(drawing.count) if chunk in done)
    if already:
        print(f"{already:,} of them are there already: {folder.images}")
    drawn = sample_chunks(
        drawing.sample, drawing.count, config.seed, medium=medium, conditions=drawing.conditions, done=done
    )
    try:
        with Progress("samples", drawing.count, already, quiet=_QUIET) as progress:
            for first, samples in drawn:
                for index, sample in enumerate(samples.cpu(), start=first):
                    medium.save(sample, folder.sample(index))
                progress.advance(len(samples))
        shown = torch.stack([medium.read(folder.sample(index)) for index in range(min(_SHOWN, drawing.count))])
        save_image(make_grid(drawing.show(medium.picture(shown))), folder.grid)
    except OSError as error:
        raise UserError(f"{folder.path} can't be written: {error.strerror}; the same command goes on") from error
    what = "images" if isinstance(medium, Images) else "samples"
    print(f"{drawing.count} {what}: {folder.images}\ngrid: {folder.grid}")


def _drawing(run: OpenRun, config: DictConfig) -> Drawing:
    conditions, method = asked(run, config), run.method
    sample, medium = method.sample, method.medium
    if config.back:
        assert isinstance(method, TranslatesBack)
        assert isinstance(method.condition, SourceImages)
        sample, medium = method.sample_back, Images(method.condition.shape)
    # Of somebody's own sources as many as there are.
    count = config.count if conditions is None else len(conditions)

    def show(pictures: Tensor) -> Tensor:
        return under_conditions(pictures, None if conditions is None else conditions[: len(pictures)])

    return Drawing(sample, count, medium, conditions, show)
