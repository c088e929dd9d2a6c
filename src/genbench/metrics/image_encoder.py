"""What torch-fidelity's image encoders have in common as extractors: features of any images, and no classes."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genbench.metrics.extractor import Extractor, Features, hash_weights


class ImageEncoder(Extractor):
    """Features (B, D) of grey or colour images of any size, and no logits.

    Args:
        network: maps uint8 images (B, 3, H, W) to a tuple of one tensor, the features.
        side: pixels of a side to which it resizes images.
        weights: the file that its weights came from.
    """

    class_count = 0

    def __init__(self, network: Any, side: int, weights: Path) -> None:
        super().__init__()
        self.network = network
        self.resize = f"bilinear as in TensorFlow 1, to {side} pixels"
        self.weights_sha256 = hash_weights(weights)
        self.requires_grad_(False).eval()
        self.feature_dim = self(torch.zeros(1, 3, side, side, dtype=torch.uint8)).features.shape[1]

    def forward(self, images: Tensor) -> Features:
        """Return features of uint8 images (B, 1 or 3, H, W), with logits (B, 0)."""
        (features,) = self.network(images.expand(-1, 3, -1, -1))
        return Features(features, features.new_empty(len(features), 0))
