"""DINOv2's image encoder, through torch-fidelity, if its weights and its code are already in torch's cache.

Of the encoders that Stein et al. compare (2023, https://arxiv.org/abs/2306.04675) its features agree best with human
evaluation. It has no classes, so no Inception Score.
"""

from pathlib import Path

import torch
from torch_fidelity.feature_extractor_dinov2 import FeatureExtractorDinoV2

from genbench.errors import UserError
from genbench.local_weights import must_exist, read_weights
from genbench.metrics.extractor import Extractor
from genbench.metrics.image_encoder import ImageEncoder

_MODEL = "dinov2-vit-b-14"
DINOV2_FILE = "dinov2_vitb14_pretrain.pth"
DINOV2_CODE = "facebookresearch_dinov2_main"


class DinoV2(ImageEncoder):
    """Features (B, D) of DINOv2's ViT-B/14 of grey or colour images of any size, and no logits.

    Raises:
        UserError: the weights are missing or of another network.
    """

    name = _MODEL
    suffix = "_dinov2"

    def __init__(self) -> None:
        cache = Path(torch.hub.get_dir())
        path = must_exist(cache / "checkpoints" / DINOV2_FILE, "DINOv2")
        # torch.hub runs code that the user downloaded before; nothing is downloaded here.
        must_exist(cache / DINOV2_CODE, "DINOv2")
        network = read_weights(path, lambda: FeatureExtractorDinoV2(_MODEL, ["dinov2"]))
        super().__init__(network, FeatureExtractorDinoV2.INPUT_IMAGE_SIZE, path)


def load(weights: str | None = None) -> Extractor:
    """Return DINOv2 as torch's cache has it.

    Raises:
        UserError: a file of weights is given.
    """
    if weights is not None:
        raise UserError("metrics.weights is not for DINOv2, which torch.hub loads from its own cache")
    return DinoV2()
