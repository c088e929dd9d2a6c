"""Drawing a set of samples from a method, so that sample i depends on (seed, i) alone."""

import time
from collections.abc import Callable, Container, Iterator

import torch
from torch import Tensor

from genbench.conditions.base import Conditions
from genbench.medium import Medium
from genbench.randomness import CHUNK, Noise, chunks


def sample_chunks(
    sample: Callable[..., Tensor],
    count: int,
    seed: int,
    *,
    medium: Medium,
    conditions: Conditions | None = None,
    rank: int = 0,
    world_size: int = 1,
    done: Container[int] = (),
) -> Iterator[tuple[int, Tensor]]:
    """Yield (index of the first sample, stored samples (B, ...)) of the chunks that fall to a process.

    A chunk is always computed whole and then cut, because a network's rounding may depend on the batch size.

    Args:
        sample: a method's `sample`.
        count: samples of the set over all processes.
        seed: seed of the set.
        medium: what a sample is.
        conditions: what each sample is to show, `count` of them, or None.
        rank: this process among `world_size`.
        world_size: processes that share the set.
        done: chunks that are left out.

    Raises:
        DivergenceError: a sample is not finite.
        UserError: the samples are out of range or not of the shape that was asked for.
    """
    for chunk, size in chunks(count, rank, world_size):
        if chunk in done:
            continue
        first = chunk * CHUNK
        condition = None
        if conditions is not None:
            condition = conditions[torch.arange(first, first + CHUNK).clamp_max(count - 1)].load()
        samples = medium.check(sample(CHUNK, condition, noise=Noise(seed, chunk)), CHUNK, first)
        yield first, medium.store(samples[:size])


class Stopwatch:
    """How long the drawing of samples takes, without what is done with them.

    Attributes:
        seconds: so far.
        images: drawn in them.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.images = 0

    def watch(self, chunks: Iterator[tuple[int, Tensor]]) -> Iterator[tuple[int, Tensor]]:
        """Hand on what `sample_chunks` yields; it has looked at the samples, so a GPU is done with them by then."""
        begun = time.monotonic()
        for first, samples in chunks:
            self.seconds += time.monotonic() - begun
            self.images += len(samples)
            yield first, samples
            begun = time.monotonic()


def sample_set(
    sample: Callable[..., Tensor], count: int, seed: int, medium: Medium, conditions: Conditions | None = None
) -> Tensor:
    """Return a whole set as it is stored, (count, ...) on the CPU, drawn in this process; see `sample_chunks`."""
    drawn = sample_chunks(sample, count, seed, medium=medium, conditions=conditions)
    return torch.cat([samples.cpu() for _, samples in drawn])
