"""Drawing a set of images from a method, so that image i depends on (seed, i) alone."""

import time
from collections.abc import Callable, Container, Iterator

import torch
from torch import Tensor

from genbench.errors import DivergenceError, UserError
from genbench.images import to_float, to_uint8
from genbench.randomness import CHUNK, Noise, chunks

_TOLERANCE = 0.01
"""Less than a level and a half of uint8: rounding may lead so far out of [-1, 1], a wrong range leads farther."""


def sample_chunks(
    sample: Callable[..., Tensor],
    count: int,
    seed: int,
    *,
    conditions: Tensor | None = None,
    rank: int = 0,
    world_size: int = 1,
    done: Container[int] = (),
) -> Iterator[tuple[int, Tensor]]:
    """Yield (index of the first image, uint8 images (B, C, H, W)) of the chunks that fall to a process.

    A chunk is always computed whole and then cut, because a network's rounding may depend on the batch size.

    Args:
        sample: a method's `sample`.
        count: images of the set over all processes.
        seed: seed of the set.
        conditions: what each image shall show, (count, ...), or None; source images are uint8 (count, C, H, W).
        rank: this process among `world_size`.
        world_size: processes that share the set.
        done: chunks that are left out.

    Raises:
        DivergenceError: an image is not finite.
        UserError: the images are not in [-1, 1] or not of the shape that was asked for.
    """
    for chunk, size in chunks(count, rank, world_size):
        if chunk in done:
            continue
        first = chunk * CHUNK
        condition = None
        if conditions is not None:
            rows = torch.arange(first, first + CHUNK, device=conditions.device).clamp_max(count - 1)
            condition = conditions[rows]
            if condition.dtype == torch.uint8 and condition.ndim == 4:
                condition = to_float(condition)
        images = sample(CHUNK, condition, noise=Noise(seed, chunk))
        _check(images, first)
        yield first, to_uint8(images[:size])


class Stopwatch:
    """How long the making of images takes, without what is done with them.

    Attributes:
        seconds: so far.
        images: made in them.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.images = 0

    def watch(self, chunks: Iterator[tuple[int, Tensor]]) -> Iterator[tuple[int, Tensor]]:
        """Hand on what `sample_chunks` yields; it has looked at the images, so a GPU is done with them by then."""
        begun = time.monotonic()
        for first, images in chunks:
            self.seconds += time.monotonic() - begun
            self.images += len(images)
            yield first, images
            begun = time.monotonic()


def _check(images: Tensor, first: int) -> None:
    """Refuse what rounding and clipping to uint8 would hide."""
    if images.ndim != 4 or len(images) != CHUNK:
        raise UserError(f"the method returned images of shape {tuple(images.shape)} where {CHUNK} (C, H, W) were asked")
    if not images.isfinite().all():
        bad = int((~images.isfinite().flatten(1).all(1)).nonzero()[0])
        raise DivergenceError(f"image {first + bad} of the method is not finite: the weights have diverged")
    if images.abs().max() > 1 + _TOLERANCE:
        raise UserError(
            f"the method returned pixels from {images.min():.3g} to {images.max():.3g}, which must lie in [-1, 1]"
        )


def sample_images(sample: Callable[..., Tensor], count: int, seed: int, conditions: Tensor | None = None) -> Tensor:
    """Return a whole set, uint8 (count, C, H, W) on the CPU, drawn in this process."""
    drawn = sample_chunks(sample, count, seed, conditions=conditions)
    return torch.cat([images.cpu() for _, images in drawn])
