"""CLIP's image encoder, through torch-fidelity, if its weights are already present.

Frechet distances in its features agree better with human evaluation than Inception's (Stein et al. 2023,
https://arxiv.org/abs/2306.04675), but older papers don't report them. It has no classes, so no Inception Score.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_fidelity.feature_extractor_clip import MODEL_METADATA, FeatureExtractorCLIP

from genbench.metrics.extractor import Extractor, Features, hash_weights, name_weights
from genbench.metrics.local_weights import must_exist, read_weights

_MODEL = "clip-vit-b-32"
CLIP_FILE = f"{_MODEL}-{MODEL_METADATA[_MODEL]['hash']}.pt"


class Clip(Extractor):
    """Features (B, D) of CLIP's ViT-B/32 of grey or colour images of any size, and no logits.

    Args:
        weights: file of the weights; torch's cache if None.

    Raises:
        UserError: the weights are missing or of another network.
    """

    name = _MODEL
    suffix = "_clip"
    class_count = 0

    def __init__(self, weights: str | None = None) -> None:
        super().__init__()
        cache = Path(torch.hub.get_dir()) / "checkpoints"
        path = must_exist(Path(weights).expanduser() if weights is not None else cache / CLIP_FILE, "CLIP")
        self.network: Any = read_weights(path, lambda: FeatureExtractorCLIP(_MODEL, ["clip"], str(path)))
        side = self.network.resolution
        self.resize = f"bilinear as in TensorFlow 1, to {side} pixels"
        self.weights_sha256 = hash_weights(path)
        name_weights(self, MODEL_METADATA[_MODEL]["hash"])
        self.requires_grad_(False).eval()
        self.feature_dim = self(torch.zeros(1, 3, side, side, dtype=torch.uint8)).features.shape[1]

    def forward(self, images: Tensor) -> Features:
        """Return features of uint8 images (B, 1 or 3, H, W), with logits (B, 0)."""
        (features,) = self.network(images.expand(-1, 3, -1, -1))
        return Features(features, features.new_empty(len(features), 0))


def load(weights: str | None = None) -> Extractor:
    """Return CLIP with the weights of a file, or of torch's cache."""
    return Clip(weights)
