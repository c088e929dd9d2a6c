"""The perceptual path length of methods whose latents are mapped to styles (Karras et al. 2018, section 4.1)."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from genbench.lpips import backbone_path, load_lpips
from genbench.metrics.extractor import hash_weights
from genbench.metrics.material import Material
from genbench.metrics.path_steps import EPSILON, path_length
from genbench.metrics.styled import StyledScore

_LARGEST = 256
"""Pixels of a side down to which images are made smaller."""


class Ppl(StyledScore):
    """By LPIPS of VGG-16, between random pairs of latents, in w and in z, as many as there are samples.

    https://arxiv.org/abs/1812.04948, https://arxiv.org/abs/1912.04958. VGG-16's weights on ImageNet are taken from
    torch's cache and never downloaded.

    Raises:
        UserError: they are not there, or are of another network.
    """

    figures = {"ppl_w": "lower", "ppl_z": "lower"}

    def __init__(self) -> None:
        self._network = load_lpips("vgg")
        self._sha256 = hash_weights(backbone_path("vgg"))

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return the step and the network's weights."""
        return super().protocol(material) | {"ppl": {"step": EPSILON, "network": "VGG-16", "sha256": self._sha256}}

    def compute(self, material: Material) -> dict[str, float]:
        """Return both lengths."""
        network = self._network.to(material.origin.method.device)  # type: ignore[union-attr]

        def distance(one: Tensor, other: Tensor) -> Tensor:
            factor = max(1, one.shape[2] // _LARGEST)
            with torch.no_grad():
                apart: Tensor = network(avg_pool2d(one, factor), avg_pool2d(other, factor))
            return apart

        return {name: path_length(*self.of(material), distance, name[-1]) for name in self.figures}
