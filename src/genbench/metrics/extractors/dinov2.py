"""DINOv2's image encoder, through torch-fidelity, if its weights and its code are already in torch's cache.

Of the encoders that Stein et al. compare (2023, https://arxiv.org/abs/2306.04675) its features agree best with human
evaluation. It has no classes, so no Inception Score.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_fidelity.feature_extractor_dinov2 import FeatureExtractorDinoV2

from genbench.errors import UserError
from genbench.metrics.extractor import Extractor, Features, hash_weights
from genbench.metrics.local_weights import must_exist, read_weights

_MODEL = "dinov2-vit-b-14"
DINOV2_FILE = "dinov2_vitb14_pretrain.pth"
DINOV2_CODE = "facebookresearch_dinov2_main"


class DinoV2(Extractor):
    """Features (B, D) of DINOv2's ViT-B/14 of grey or colour images of any size, and no logits.

    Raises:
        UserError: the weights are missing or of another network.
    """

    name = _MODEL
    suffix = "_dinov2"
    class_count = 0

    def __init__(self) -> None:
        super().__init__()
        cache = Path(torch.hub.get_dir())
        path = must_exist(cache / "checkpoints" / DINOV2_FILE, "DINOv2")
        # torch.hub runs code that the user downloaded before; nothing is downloaded here.
        must_exist(cache / DINOV2_CODE, "DINOv2")
        self.network: Any = read_weights(path, lambda: FeatureExtractorDinoV2(_MODEL, ["dinov2"]))
        side = FeatureExtractorDinoV2.INPUT_IMAGE_SIZE
        self.resize = f"bilinear as in TensorFlow 1, to {side} pixels"
        self.weights_sha256 = hash_weights(path)
        self.requires_grad_(False).eval()
        self.feature_dim = self(torch.zeros(1, 3, side, side, dtype=torch.uint8)).features.shape[1]

    def forward(self, images: Tensor) -> Features:
        """Return features of uint8 images (B, 1 or 3, H, W), with logits (B, 0)."""
        (features,) = self.network(images.expand(-1, 3, -1, -1))
        return Features(features, features.new_empty(len(features), 0))


def load(weights: str | None = None) -> Extractor:
    """Return DINOv2 as torch's cache has it.

    Raises:
        UserError: a file of weights is given.
    """
    if weights is not None:
        raise UserError("metrics.weights is not for DINOv2, which torch.hub loads from its own cache")
    return DinoV2()
