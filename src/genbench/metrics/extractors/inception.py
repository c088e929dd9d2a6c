"""The Inception network of FID: the original TensorFlow weights of 2015 in torch-fidelity's port, made faster.

Its BatchNorms are folded into the convolutions and it runs channels-last; outputs agree to 1e-5 or better. The resize
to 299 pixels is TensorFlow 1's bilinear one without antialiasing, which is part of FID's definition.
"""

import os
import tempfile
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch_fidelity.feature_extractor_inceptionv3 import (
    URL_INCEPTION_V3,
    BasicConv2d,
    FeatureExtractorInceptionV3,
)

from genbench.errors import UserError, first_line
from genbench.metrics.extractor import Extractor, Features, hash_weights, name_weights, offer_digits

_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
"""SHA-256 of torch-fidelity's file of FID's weights; the file name ends with its beginning."""
WEIGHTS_NAME = "weights-inception-2015-12-05-6726825d.pth"
_SIDE = 299
_LAYERS = (
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "MaxPool_1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "MaxPool_2"),
    *("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    *("Mixed_7a", "Mixed_7b", "Mixed_7c", "AvgPool"),
)


class Inception(Extractor):
    """Features (B, 2048) and unbiased logits (B, 1008) of grey or colour images of any size.

    Weights other than FID's own are accepted, but their scores have another name, see `name_weights`.

    Args:
        weights: a `.pth` in torch-fidelity's layout; its usual cache, or a download, if None.

    Raises:
        UserError: the weights are missing or of another network.
    """

    name = "inception"
    suffix = ""
    feature_dim = 2048
    class_count = 1008
    resize = "bilinear as in TensorFlow 1, to 299 pixels"

    def __init__(self, weights: str | None = None) -> None:
        super().__init__()
        path = find_weights(weights)
        self.weights_sha256 = hash_weights(path)
        network = _fold(_load(path))
        name_weights(self, _SHA256)
        self.layers = nn.Sequential(*(getattr(network, name) for name in _LAYERS))
        self.fc: nn.Linear = network.fc  # type: ignore[assignment]
        self.to(memory_format=torch.channels_last).requires_grad_(False).eval()

    def forward(self, images: Tensor) -> Features:
        """Return features and logits of uint8 images (B, 1 or 3, H, W)."""
        pixels = (resize_like_tensorflow(images, _SIDE) - 128) / 128
        features = self.layers(pixels.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)).flatten(1)
        # Without the bias, as Inception Scores are defined.
        return Features(features, features @ self.fc.weight.T)


def load(weights: str | None = None) -> Extractor:
    """Return Inception with the weights of a file, of torch's cache, or downloaded."""
    return Inception(weights)


def resize_like_tensorflow(images: Tensor, size: int) -> Tensor:
    """Return images (B, C, H, W) as float (B, C, size, size), resized like TensorFlow 1's `resize_bilinear`.

    Output pixel i is at i * H / size instead of pixel centres, and is interpolated between at most two input pixels.
    """
    down, across = (_interpolation(side, size, images.device) for side in images.shape[-2:])
    return down @ images.float() @ across.T


@cache
def _interpolation(side: int, size: int, device: torch.device) -> Tensor:
    """Return the weights (size, side) of input pixels in output pixels."""
    # In single precision as in TensorFlow: rounding may decide which pixel a position falls on.
    position = torch.arange(size, dtype=torch.float32) * torch.tensor(side / size, dtype=torch.float32)
    low = position.floor().long()
    fraction = position - low
    weights = torch.zeros(size, side)
    weights[torch.arange(size), low] += 1 - fraction
    weights[torch.arange(size), (low + 1).clamp_max(side - 1)] += fraction
    return weights.to(device)


def find_weights(weights: str | None) -> Path:
    """Return the weights file: the given one, torch's cache, or a new download into the cache.

    Raises:
        UserError: it is not available.
    """
    if weights is not None:
        path = Path(weights).expanduser()
        if not path.is_file():
            raise UserError(f"metrics.weights={weights} is not a file")
        return path
    path = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_NAME
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), _SHA256, progress=True)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"FID's Inception weights are not at {path} and can't be downloaded ({error}): put {WEIGHTS_NAME} of "
                f"torch-fidelity's release v0.2.0 (the SHA-256 begins with {_SHA256[:8]}) there, or name the file by "
                f"metrics.weights=FILE{offer_digits()}"
            ) from error
    return path


def _load(path: Path) -> FeatureExtractorInceptionV3:
    """Return the network, with weights loaded without unpickling other objects."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch has no one error for a file that is no checkpoint
        raise UserError(f"{path} can't be read as weights: {first_line(error)}") from error
    # torch-fidelity unpickles without restriction, so it gets a file rewritten from the loaded tensors.
    with tempfile.TemporaryDirectory() as folder:
        clean = os.path.join(folder, "weights.pth")
        torch.save(state, clean)
        try:
            return FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], clean)
        except (RuntimeError, TypeError, AttributeError) as error:
            raise UserError(f"{path} holds no weights of FID's Inception: {first_line(error)}") from error


def _fold(network: nn.Module) -> nn.Module:
    for block in network.modules():
        if isinstance(block, BasicConv2d):
            block.conv = fuse_conv_bn_eval(block.conv, block.bn)
            block.bn = nn.Identity()
    return network
