"""Drawing a set of images from a method, so that image i depends on (seed, i) alone."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from genbench.images import to_uint8
from genbench.randomness import CHUNK, Noise, chunks


def sample_chunks(
    sample: Callable[..., Tensor],
    count: int,
    seed: int,
    *,
    conditions: Tensor | None = None,
    rank: int = 0,
    world_size: int = 1,
) -> Iterator[tuple[int, Tensor]]:
    """Yield (index of the first image, uint8 images (B, C, H, W)) of the chunks that fall to a process.

    A chunk is always computed whole and then cut, because a network's rounding may depend on the batch size.

    Args:
        sample: a method's `sample`.
        count: images of the set over all processes.
        seed: seed of the set.
        conditions: what each image shall show, (count, ...), or None.
        rank: this process among `world_size`.
        world_size: processes that share the set.
    """
    for chunk, size in chunks(count, rank, world_size):
        first = chunk * CHUNK
        condition = None
        if conditions is not None:
            rows = torch.arange(first, first + CHUNK, device=conditions.device).clamp_max(count - 1)
            condition = conditions[rows]
        images = sample(CHUNK, condition, noise=Noise(seed, chunk))
        yield first, to_uint8(images[:size])


def sample_images(sample: Callable[..., Tensor], count: int, seed: int, conditions: Tensor | None = None) -> Tensor:
    """Return a whole set, uint8 (count, C, H, W) on the CPU, drawn in this process."""
    drawn = sample_chunks(sample, count, seed, conditions=conditions)
    return torch.cat([images.cpu() for _, images in drawn])
