"""Scores of samples that have a target each: translations of paired data, super-resolution."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from genbench.medium import Images
from genbench.metrics.material import Material
from genbench.metrics.score import Score, Setting
from genbench.metrics.translation import translation_facts


class PairScore(Score):
    """The mean over the samples of one number that compares a sample with its target; images only."""

    needs_samples = True
    needs_targets = True
    least = 1

    @abstractmethod
    def compare(self, samples: Tensor, targets: Tensor) -> Tensor:
        """Return a number of each pair, (B,), of uint8 images (B, C, H, W) on the CPU."""

    def unsuited(self, setting: Setting) -> str | None:
        """Return that the samples are no images, where they are none."""
        if setting.medium is not None and not isinstance(setting.medium, Images):
            return "it compares images"
        return super().unsuited(setting)

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return which sources were translated."""
        return translation_facts(material)

    def compute(self, material: Material) -> dict[str, float]:
        """Return the mean."""
        (figure,) = self.figures
        numbers = material.once(self.name, lambda: {"pairs": torch.cat([self.compare(*p) for p in material.pairs()])})
        return {figure: float(numbers["pairs"].double().mean())}
