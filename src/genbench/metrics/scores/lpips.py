"""The learned perceptual image patch similarity of samples to their targets (LPIPS)."""

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.image.lpips import _LPIPS

from genbench.images import to_float
from genbench.medium import Images
from genbench.metrics.extractor import hash_weights
from genbench.metrics.local_weights import must_exist, read_weights
from genbench.metrics.material import Material
from genbench.metrics.pairs import PairScore
from genbench.metrics.score import Setting

BACKBONE_FILE = "alexnet-owt-7be5be79.pth"
_SMALLEST = 31
"""Pixels of a side, below which AlexNet's second pooling has nothing left to pool."""


class Lpips(PairScore):
    """The mean over images of the LPIPS distance by AlexNet, version 0.1 (Zhang et al. 2018).

    https://arxiv.org/abs/1801.03924; torchmetrics' implementation on images in [-1, 1], grey ones with their channel
    repeated, at their own size. The linear layers come with torchmetrics. AlexNet's weights on ImageNet are taken from
    torch's cache (`alexnet-owt-7be5be79.pth` of torchvision) and never downloaded.

    Raises:
        UserError: AlexNet's weights are not there, or are of another network.
    """

    figures = {"lpips": "lower"}
    chosen = "named"

    def __init__(self) -> None:
        path = must_exist(Path(torch.hub.get_dir()) / "checkpoints" / BACKBONE_FILE, "AlexNet (torchvision)")
        self._network = read_weights(path, lambda: _load(path))
        self._sha256 = hash_weights(path)

    def unsuited(self, setting: Setting) -> str | None:
        """Return that the images are too small for AlexNet, where they are."""
        if isinstance(setting.medium, Images) and min(setting.medium.shape[1:]) < _SMALLEST:
            return f"AlexNet takes images of at least {_SMALLEST} pixels a side"
        return super().unsuited(setting)

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return the network and its weights."""
        return super().protocol(material) | {"lpips": {"network": "AlexNet", "sha256": self._sha256}}

    @torch.no_grad()
    def compare(self, samples: Tensor, targets: Tensor) -> Tensor:
        """Return the distance of each image, (B,)."""
        x, y = (to_float(images).expand(-1, 3, -1, -1) for images in (samples, targets))
        distances: Tensor = self._network(x, y)
        return distances.flatten()


def _load(path: Path) -> torch.nn.Module:
    """Return LPIPS with the backbone of a file, of which tensors alone are read."""
    weights = torch.load(path, map_location="cpu", weights_only=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = _LPIPS(net="alex", pnet_rand=True)
    # Its slices keep the numbers that the layers have in torchvision's network.
    layers = {name.split(".", 1)[1]: tensor for name, tensor in network.net.state_dict().items()}
    found = {name: weights[f"features.{name}"] for name in layers}
    network.net.load_state_dict({name: found[name.split(".", 1)[1]] for name in network.net.state_dict()})
    return network.requires_grad_(False).eval()
