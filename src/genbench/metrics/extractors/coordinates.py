"""Samples as their own features: for points, and other samples without a feature network."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from genbench.medium import Medium
from genbench.metrics.extractor import Extractor, Features


class Coordinates(Extractor):
    """The flattened coordinates of a sample.

    Args:
        shape: of a sample.
    """

    name = "coordinates"
    suffix = "_coordinates"
    class_count = 0
    resize = "none"
    weights_sha256 = "none"
    takes_images = False

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.feature_dim = math.prod(shape)
        # An empty buffer that records the extractor's device.
        self.register_buffer("place", torch.empty(0))

    def forward(self, images: Tensor) -> Features:
        """Return the flattened samples (B, D), float32, of stored samples (B, ...)."""
        return Features(images.flatten(1).float(), images.new_empty(len(images), 0, dtype=torch.float32))


def load(medium: Medium) -> Extractor:
    """Return the coordinates of samples of a medium."""
    return Coordinates(medium.shape)
