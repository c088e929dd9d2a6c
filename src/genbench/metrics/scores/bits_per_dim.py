"""Bits per dimension of held-out images, of methods that have a likelihood."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from genbench.abilities import HasLikelihood
from genbench.batch import Batch
from genbench.medium import Images
from genbench.metrics.material import Material, Origin
from genbench.metrics.score import Score, Setting, mean_with_error
from genbench.randomness import CHUNK, Noise


class BitsPerDim(Score):
    """The mean over held-out images, evenly spaced over their split, with its standard error over the images.

    It takes no samples and no reference.

    Args:
        likelihood: images, at most all of the split; 128 if None.
    """

    figures = {"bits_per_dim": "lower"}
    chosen = "named"
    needs_method = True

    def __init__(self, likelihood: int | None = None) -> None:
        self.count = 128 if likelihood is None else likelihood

    def unsuited(self, setting: Setting) -> str | None:
        """Return that the samples are no images or the method has no likelihood, where it is so."""
        if reason := super().unsuited(setting):
            return reason
        if not isinstance(setting.method.medium, Images):
            return "likelihood= is of images of 256 levels, and this method draws others"
        if not isinstance(setting.method, HasLikelihood):
            return "likelihood= is for methods that have a likelihood, and this one has none"
        return None

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return what likelihood it is, and of which images."""
        origin = _origin(material)
        return {
            "likelihood": origin.method.likelihood,
            "likelihood_split": origin.split,
            "likelihood_count": self._total(origin),
            "likelihood_seed": material.seed,
        }

    def compute(self, material: Material) -> dict[str, float]:
        """Return the mean and its standard error; one image has no error."""
        bits = material.once(self.name, lambda: {"bits": self._measure(_origin(material), material.seed)})["bits"]
        return mean_with_error("bits_per_dim", bits)

    def _measure(self, origin: Origin, seed: int) -> Tensor:
        """Return the bits per dimension of each image, float64."""
        method, store = origin.method, origin.data.store(origin.split)
        parts = [
            method.bits_per_dim(batch.x, method.condition_of(batch), noise=Noise(seed, chunk)).cpu()
            for chunk, batch in even_chunks(store, self._total(origin))
        ]
        return torch.cat(parts).double()

    def _total(self, origin: Origin) -> int:
        return min(self.count, len(origin.data.store(origin.split).samples))


def even_chunks(store: Any, count: int) -> Iterator[tuple[int, Batch]]:
    """Yield index and batch of chunks of `count` samples, evenly spaced over a split."""
    rows = torch.tensor([index * len(store.samples) // count for index in range(count)])
    for chunk, own in enumerate(rows.split(CHUNK)):
        yield chunk, store.batch(own)


def _origin(material: Material) -> Origin:
    assert material.origin is not None
    return material.origin
