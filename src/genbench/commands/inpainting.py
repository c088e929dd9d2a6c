"""`sample ... sampler=repaint mask=...`: fill in a part of images."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from genbench.abilities import FillsIn
from genbench.commands.asked import parse_one
from genbench.commands.drawing import Drawing
from genbench.commands.opening import OpenRun
from genbench.conditions.base import Conditions
from genbench.conditions.source_images import SourceImages
from genbench.data.sample_set import open_samples
from genbench.errors import UserError
from genbench.figures.grid import place_beside
from genbench.medium import Images
from genbench.metrics.conditions import held_out
from genbench.randomness import Noise

_GREY = 128


def fill_in(run: OpenRun, config: DictConfig) -> Drawing:
    """Return how images with a part filled in are drawn; a picture shows each of them beside what was known.

    Raises:
        UserError: the method, the mask or the images do not do.
    """
    method = run.method
    if not isinstance(method, FillsIn):
        raise UserError(f"{run.folder.path} is of a method that fills in no images: it has no use for mask=")
    shape = run.data.image_shape
    _, height, width = shape
    mask = read_mask(config.mask, height, width)
    known = _known(run, config)
    row = parse_one(run, config)

    def draw(count: int, condition: Tensor, noise: Noise) -> Tensor:
        return method.inpaint(condition, mask, None if row is None else row.repeat_interleave(count, 0), noise=noise)

    def show(filled: Tensor) -> Tensor:
        whole = known[: len(filled)]
        rest = torch.where(mask.bool(), whole, torch.full_like(whole, _GREY))
        return place_beside(rest, filled, whole)

    return Drawing(draw, len(known), Images(shape), Conditions(SourceImages(shape), known), show)


def read_mask(name: str, height: int, width: int) -> Tensor:
    """Return 1 where pixels are known and 0 where they are to be filled in, float32 (H, W).

    Args:
        name: which part is filled in: center, left, right, top, bottom, or a picture's file, white where it is.
        height: of the images.
        width: of the images.

    Raises:
        UserError: there is no such part or picture, or the picture has another size or leaves nothing or all to do.
    """
    mask = torch.ones(height, width)
    parts: dict[str, Any] = {
        "center": (slice(height // 4, height - height // 4), slice(width // 4, width - width // 4)),
        "left": (slice(None), slice(width // 2)),
        "right": (slice(None), slice(width - width // 2, None)),
        "top": (slice(height // 2), slice(None)),
        "bottom": (slice(height - height // 2, None), slice(None)),
    }
    if name in parts:
        mask[parts[name]] = 0
        return mask
    path = Path(name)
    if not path.is_file():
        raise UserError(f"mask={name} must be one of {', '.join(parts)}, or a black and white picture's file")
    try:
        with Image.open(path) as picture:
            white = torch.from_numpy(np.array(picture.convert("L"))) >= _GREY
    except (UnidentifiedImageError, OSError) as error:
        raise UserError(f"mask={name} can't be read as a picture ({error})") from error
    if tuple(white.shape) != (height, width):
        raise UserError(f"mask={name} is {white.shape[1]} x {white.shape[0]}, and the images are {width} x {height}")
    if white.all() or not white.any():
        raise UserError(f"mask={name} must be white where images are filled in and black elsewhere; it is one colour")
    return (~white).float()


def _known(run: OpenRun, config: DictConfig) -> Tensor:
    shape = tuple(run.data.image_shape)
    if config.sources is not None:
        opened = open_samples(Path(config.sources), shape[0], key="sources")
        if tuple(opened.shape[1:]) != shape:
            raise UserError(f"sources={config.sources} are of {opened.shape[1:]}, and {run.folder.path} draws {shape}")
        return opened[: config.count]
    run.data.prepare_data()
    return run.data.store(held_out(run.data)).samples[: config.count]
