"""How many bits a method needs for images that it never saw."""

from collections.abc import Iterator
from typing import Any, Protocol

from torch import Tensor

from genbench.images import to_float
from genbench.randomness import CHUNK, Noise


class Likelihood(Protocol):
    """What is asked of a method, see `methods.base.HasLikelihood`."""

    is_conditional: bool
    likelihood: str

    def bits_per_dim(self, x: Tensor, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return bits a dimension (B,) of images (B, C, H, W) in [-1, 1]."""
        ...


def even_chunks(store: Any, count: int) -> Iterator[tuple[int, Tensor, Tensor | None]]:
    """Yield index, images (B, C, H, W) in [-1, 1] and conditions of chunks of `count` images, evenly over a split."""
    rows = [index * len(store.images) // count for index in range(count)]
    for chunk in range(-(-count // CHUNK)):
        own = rows[chunk * CHUNK : (chunk + 1) * CHUNK]
        yield chunk, to_float(store.images[own]), None if store.conditions is None else store.conditions[own]


def likelihood_scores(
    method: Likelihood, data: Any, split: str, *, count: int, seed: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Return `bits_per_dim` with its standard error over the images, and the protocol.

    Args:
        method: that is asked.
        data: a data set; a conditional method is told what its images show.
        split: whose images are looked at, evenly from its first to its last.
        count: images, at most all of the split.
        seed: of the noise that the method draws.
    """
    store = data.store(split)
    count = min(count, len(store.images))
    bits: list[float] = []
    for chunk, images, condition in even_chunks(store, count):
        told = condition if method.is_conditional else None
        bits += method.bits_per_dim(images, told, noise=Noise(seed, chunk)).tolist()
    mean = sum(bits) / count
    error = (sum((value - mean) ** 2 for value in bits) / max(1, count - 1) / count) ** 0.5
    protocol = {
        "likelihood": method.likelihood,
        "likelihood_split": split,
        "likelihood_count": count,
        "likelihood_seed": seed,
    }
    return {"bits_per_dim": mean, "bits_per_dim_std": error}, protocol
