"""`sample`: draw samples from a run."""

from collections.abc import Callable

import torch
from omegaconf import DictConfig
from torch import Tensor

from genbench.abilities import TranslatesBack
from genbench.commands.asked import asked
from genbench.commands.opening import OpenRun, open_run
from genbench.commands.sample_folder import choose_sample_folder
from genbench.conditions.source_images import SourceImages
from genbench.data.prepare_progress import QUIET, Progress
from genbench.errors import UserError
from genbench.figures.samples import picture_of
from genbench.images import save_image
from genbench.medium import Images, Medium
from genbench.randomness import chunks
from genbench.sampling import sample_chunks
from genbench.wording import counted

_SHOWN = 100
"""Samples of the picture."""


def main(config: DictConfig) -> None:
    """Write `count` samples as they are drawn, images as PNG, and a grid of the first 100 beside them.

    A set that was stopped is continued.

    Raises:
        UserError: the run folder or a setting does not do, or there is no room.
    """
    run = open_run(config)
    folder = choose_sample_folder(run, config)
    conditions, (draw, medium) = asked(run, config, config.count), drawing(run, config)
    # Of somebody's own sources as many as there are.
    count = config.count if conditions is None else len(conditions)
    done = folder.begin(count, conditions)
    already = sum(size for chunk, size in chunks(count) if chunk in done)
    if already:
        print(f"{already:,} of them are there already: {folder.images}")
    drawn = sample_chunks(draw, count, config.seed, medium=medium, conditions=conditions, done=done)
    try:
        with Progress("samples", count, already, quiet=QUIET) as progress:
            for first, samples in drawn:
                for index, sample in enumerate(samples.cpu(), start=first):
                    medium.save(sample, folder.sample(index))
                progress.advance(len(samples))
        shown = torch.stack([medium.read(folder.sample(index)) for index in range(min(_SHOWN, count))])
        of_shown = None if conditions is None else conditions[: len(shown)]
        save_image(picture_of(medium.picture(shown), of_shown), folder.grid)
    except OSError as error:
        raise UserError(f"{folder.path} can't be written: {error.strerror}; the same command goes on") from error
    what = counted(count, "image" if isinstance(medium, Images) else "sample")
    print(f"{what}: {folder.images}\ngrid: {folder.grid}")


def drawing(run: OpenRun, config: DictConfig) -> tuple[Callable[..., Tensor], Medium]:
    """Return a method's `sample`, or what is called like it, and what it draws."""
    method = run.method
    if not config.back:
        return method.sample, method.medium
    assert isinstance(method, TranslatesBack)
    assert isinstance(method.condition, SourceImages)
    return method.sample_back, Images(method.condition.shape)
