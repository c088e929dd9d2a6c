"""CLIP's and DINOv2's image encoders as extractors, through torch-fidelity, if their weights are already present.

Frechet distances in their features agree better with human evaluation than Inception's (Stein et al. 2023,
https://arxiv.org/abs/2306.04675), but older papers don't report them. They have no classes, so no Inception Score.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_fidelity.feature_extractor_clip import MODEL_METADATA, FeatureExtractorCLIP
from torch_fidelity.feature_extractor_dinov2 import FeatureExtractorDinoV2

from genbench.errors import UserError, first_line
from genbench.metrics.extractor import Extractor, Features, hash_weights, name_weights

_CLIP, _DINOV2 = "clip-vit-b-32", "dinov2-vit-b-14"
CLIP_FILE = f"{_CLIP}-{MODEL_METADATA[_CLIP]['hash']}.pt"
DINOV2_FILE = "dinov2_vitb14_pretrain.pth"
DINOV2_CODE = "facebookresearch_dinov2_main"


class Vision(Extractor):
    """Features (B, D) of grey or colour images of any size, and no logits.

    Args:
        name: "clip" (ViT-B/32) or "dinov2" (ViT-B/14).
        weights: file of CLIP's weights; torch's cache if None, as always for DINOv2.

    Raises:
        UserError: the weights are missing or of another network.
    """

    class_count = 0

    def __init__(self, name: str, weights: str | None = None) -> None:
        super().__init__()
        self.name = {"clip": _CLIP, "dinov2": _DINOV2}[name]
        self.suffix = f"_{name}"
        cache = Path(torch.hub.get_dir())
        if name == "clip":
            path = Path(weights).expanduser() if weights is not None else cache / "checkpoints" / CLIP_FILE
            _must_exist(path)
            self.network: Any = _build(path, lambda: FeatureExtractorCLIP(_CLIP, ["clip"], str(path)))
            side = self.network.resolution
        else:
            if weights is not None:
                raise UserError("metrics.weights is not for DINOv2, which torch.hub loads from its own cache")
            path = cache / "checkpoints" / DINOV2_FILE
            _must_exist(path)
            # torch.hub runs code that the user downloaded before; nothing is downloaded here.
            _must_exist(cache / DINOV2_CODE)
            self.network = _build(path, lambda: FeatureExtractorDinoV2(_DINOV2, ["dinov2"]))
            side = FeatureExtractorDinoV2.INPUT_IMAGE_SIZE
        self.resize = f"bilinear as in TensorFlow 1, to {side} pixels"
        self.weights_sha256 = hash_weights(path)
        if name == "clip":
            name_weights(self, MODEL_METADATA[_CLIP]["hash"])
        self.requires_grad_(False).eval()
        self.feature_dim = self(torch.zeros(1, 3, side, side, dtype=torch.uint8)).features.shape[1]

    def forward(self, images: Tensor) -> Features:
        """Return features of uint8 images (B, 1 or 3, H, W), with logits (B, 0)."""
        (features,) = self.network(images.expand(-1, 3, -1, -1))
        return Features(features, features.new_empty(len(features), 0))


def _must_exist(path: Path) -> None:
    if not path.exists():
        raise UserError(
            f"{path} is not there: metrics.extractor=clip and dinov2 use existing weights and download none; "
            "metrics.extractor=inception can be downloaded"
        )


def _build(path: Path, make: Any) -> Any:
    try:
        return make()
    except Exception as error:  # torch has no one error for a file that is no checkpoint
        raise UserError(f"{path} can't be read as weights: {first_line(error)}") from error
