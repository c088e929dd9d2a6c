"""CLIP's image encoder, through torch-fidelity, if its weights are already present.

Frechet distances in its features agree better with human evaluation than Inception's (Stein et al. 2023,
https://arxiv.org/abs/2306.04675), but older papers don't report them. It has no classes, so no Inception Score.
"""

from pathlib import Path

import torch
from torch_fidelity.feature_extractor_clip import MODEL_METADATA, FeatureExtractorCLIP

from genbench.local_weights import must_exist, read_weights
from genbench.metrics.extractor import Extractor, name_weights
from genbench.metrics.image_encoder import ImageEncoder

_MODEL = "clip-vit-b-32"
CLIP_FILE = f"{_MODEL}-{MODEL_METADATA[_MODEL]['hash']}.pt"


class Clip(ImageEncoder):
    """Features (B, D) of CLIP's ViT-B/32 of grey or colour images of any size, and no logits.

    Args:
        weights: file of the weights; torch's cache if None.

    Raises:
        UserError: the weights are missing or of another network.
    """

    name = _MODEL
    suffix = "_clip"

    def __init__(self, weights: str | None = None) -> None:
        cache = Path(torch.hub.get_dir()) / "checkpoints"
        path = must_exist(Path(weights).expanduser() if weights is not None else cache / CLIP_FILE, "CLIP")
        network = read_weights(path, lambda: FeatureExtractorCLIP(_MODEL, ["clip"], str(path)))
        super().__init__(network, network.resolution, path)
        name_weights(self, MODEL_METADATA[_MODEL]["hash"])


def load(weights: str | None = None) -> Extractor:
    """Return CLIP with the weights of a file, or of torch's cache."""
    return Clip(weights)
