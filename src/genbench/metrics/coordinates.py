"""Samples as their own features: for points, and whatever else has no network that looks at it."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from genbench.metrics.extractor import Extractor, Features


class Coordinates(Extractor):
    """The numbers of a sample, one after the other.

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
        # What says where it is.
        self.register_buffer("place", torch.empty(0))

    def forward(self, images: Tensor) -> Features:
        """Return the numbers (B, D) of stored samples (B, ...), float32."""
        return Features(images.flatten(1).float(), images.new_empty(len(images), 0, dtype=torch.float32))
