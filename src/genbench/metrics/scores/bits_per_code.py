"""Bits per code of held-out images, of methods that draw images as codes."""

from typing import Any

import torch
from torch import Tensor

from genbench.abilities import HasCodeLikelihood
from genbench.metrics.material import Material, Origin
from genbench.metrics.score import Score, Setting, mean_with_error
from genbench.metrics.scores.bits_per_dim import even_chunks


class BitsPerCode(Score):
    """The mean over held-out images, evenly spaced over their split, with its standard error over the images.

    It depends on the first stage: two methods compare by it only if their codes are the same. It takes no samples and
    no reference.

    Args:
        likelihood: images, at most all of the split; 128 if None.
    """

    figures = {"bits_per_code": "lower"}
    chosen = "always"
    needs_method = True

    def __init__(self, likelihood: int | None = None) -> None:
        self.count = 128 if likelihood is None else likelihood

    def unsuited(self, setting: Setting) -> str | None:
        """Return that the method draws no codes."""
        if reason := super().unsuited(setting):
            return reason
        is_of_codes = isinstance(setting.method, HasCodeLikelihood)
        return None if is_of_codes else "it takes a method that draws images as codes, such as vqgan_transformer"

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return which codes they are, and of which images."""
        origin = material.origin
        assert origin is not None
        return {
            "code_likelihood": origin.method.code_likelihood,
            "code_likelihood_split": origin.split,
            "code_likelihood_count": self._total(origin),
        }

    def compute(self, material: Material) -> dict[str, float]:
        """Return the mean and its standard error; one image has no error."""
        origin = material.origin
        assert origin is not None
        bits = material.once(self.name, lambda: {"bits": self._measure(origin)})["bits"]
        return mean_with_error("bits_per_code", bits)

    def _measure(self, origin: Origin) -> Tensor:
        """Return the bits per code of each image, float64."""
        method, store = origin.method, origin.data.store(origin.split)
        batches = [batch for _, batch in even_chunks(store, self._total(origin))]
        parts = [method.bits_per_code(batch.x, method.condition_of(batch)).cpu() for batch in batches]
        return torch.cat(parts).double()

    def _total(self, origin: Origin) -> int:
        return min(self.count, len(origin.data.store(origin.split).samples))
