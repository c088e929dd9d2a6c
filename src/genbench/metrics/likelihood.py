"""Bits per dimension of held-out images."""

from collections.abc import Iterator
from typing import Any, Protocol

import torch

from genbench.abilities import Generative, HasLikelihood
from genbench.batch import Batch
from genbench.randomness import CHUNK, Noise


class Likely(Generative, HasLikelihood, Protocol):
    """A generative method with a likelihood."""


def even_chunks(store: Any, count: int) -> Iterator[tuple[int, Batch]]:
    """Yield index and batch of chunks of `count` samples, evenly spaced over a split."""
    rows = torch.tensor([index * len(store.samples) // count for index in range(count)])
    for chunk, own in enumerate(rows.split(CHUNK)):
        yield chunk, store.batch(own)


def likelihood_scores(
    method: Likely, data: Any, split: str, *, count: int, seed: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Return `bits_per_dim` with its standard error over the images, and the protocol.

    Args:
        method: whose likelihood is computed.
        data: a data set.
        split: from which evenly spaced images are taken.
        count: images, at most all of the split.
        seed: of the method's noise.
    """
    store = data.store(split)
    count = min(count, len(store.samples))
    bits: list[float] = []
    for chunk, batch in even_chunks(store, count):
        bits += method.bits_per_dim(batch.x, method.condition_of(batch), noise=Noise(seed, chunk)).tolist()
    mean = sum(bits) / count
    error = (sum((value - mean) ** 2 for value in bits) / max(1, count - 1) / count) ** 0.5
    protocol = {
        "likelihood": method.likelihood,
        "likelihood_split": split,
        "likelihood_count": count,
        "likelihood_seed": seed,
    }
    return {"bits_per_dim": mean, "bits_per_dim_std": error}, protocol
