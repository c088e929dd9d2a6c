"""Where random numbers come from, so that a result depends on seeds and positions and on nothing else.

Three rules hold everywhere:

- image i of a sampled set depends on (seed, i) alone: `Noise` is drawn chunk by chunk, whatever process draws it;
- the order of an epoch depends on (seed, epoch) alone;
- what a training step draws (latents, dropout) depends on (seed, rank, step) alone, so a resumed run needs no saved
  generator state and nothing that a callback draws can disturb the training.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

CHUNK = 64
"""Images a chunk of a sampled set. Changing it changes every sampled set."""

_STREAMS = {"order": 0, "step": 1, "sample": 2, "flip": 3, "jitter": 4, "data": 5, "alternative": 6}


def derive_seed(stream: str, *numbers: int) -> int:
    """Mix whole numbers >= 0 into one 63-bit seed; streams of different names are independent of each other."""
    entropy = np.random.SeedSequence([_STREAMS[stream], *numbers])
    return int(entropy.generate_state(1, np.uint64)[0] >> np.uint64(1))


def make_generator(stream: str, *numbers: int) -> torch.Generator:
    """Return a CPU generator seeded by `derive_seed`."""
    return torch.Generator().manual_seed(derive_seed(stream, *numbers))


class Noise:
    """The random numbers of a sampled set, from one of its chunks on.

    Numbers are drawn on the CPU, always for whole chunks and each chunk from a generator of its own, then cut to the
    rows that are asked for. So a row is the same however many follow it, on every device and in every process.

    Args:
        seed: seed of the sampled set, >= 0.
        chunk: index of the first chunk, which begins with image `chunk * CHUNK`.
    """

    def __init__(self, seed: int, chunk: int = 0) -> None:
        self._seed = seed
        self._first = chunk
        self._generators: list[torch.Generator] = []

    def normal(self, count: int, *shape: int) -> Tensor:
        """Draw standard normal numbers of shape (count, *shape) on the CPU; each call draws new ones.

        Raises:
            ValueError: `count` is not positive.
        """
        return self._draw(torch.randn, count, shape)

    def uniform(self, count: int, *shape: int) -> Tensor:
        """Draw numbers from [0, 1) as `normal` does."""
        return self._draw(torch.rand, count, shape)

    def _draw(self, draw: Callable[..., Tensor], count: int, shape: tuple[int, ...]) -> Tensor:
        if count < 1:
            raise ValueError(f"at least one row of noise must be drawn, not {count}")
        chunk_count = -(-count // CHUNK)
        while len(self._generators) < chunk_count:
            chunk = self._first + len(self._generators)
            self._generators.append(make_generator("sample", self._seed, chunk))
        drawn = [draw(CHUNK, *shape, generator=generator) for generator in self._generators[:chunk_count]]
        return torch.cat(drawn)[:count]


def chunks(count: int, rank: int = 0, world_size: int = 1) -> Iterator[tuple[int, int]]:
    """Yield (chunk, images in it) for the chunks of a set of `count` images that fall to one process.

    Whole chunks are dealt to the processes in turn, so their union over ranks is the set, without overlap.
    """
    for chunk in range(rank, -(-count // CHUNK), world_size):
        yield chunk, min(CHUNK, count - chunk * CHUNK)
