"""The path length of methods whose latents are mapped to styles, in the features of the extractor."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from genbench.metrics.material import Material
from genbench.metrics.path_steps import EPSILON, path_length
from genbench.metrics.styled import StyledScore


class PathLength(StyledScore):
    """As `ppl`, by the squared distance of features of length 1: where VGG-16 is not there, or says nothing of images.

    The extractor must take images that are not rounded to 256 levels, as the digit classifier and a run do.
    """

    figures = {"path_length_w": "lower", "path_length_z": "lower"}
    needs_features = True

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return the step."""
        return super().protocol(material) | {"path_length": {"step": EPSILON}}

    def compute(self, material: Material) -> dict[str, float]:
        """Return both lengths."""

        @torch.no_grad()
        def distance(one: Tensor, other: Tensor) -> Tensor:
            features = (normalize(material.extractor.features_of(images).double()) for images in (one, other))
            return (next(features) - next(features)).square().sum(1)

        return {name: path_length(*self.of(material), distance, name[-1]) for name in self.figures}
