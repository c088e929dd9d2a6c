"""The learned perceptual image patch similarity of samples to their targets (LPIPS)."""

from typing import Any

import torch
from torch import Tensor

from genbench.images import to_float
from genbench.lpips import BACKBONES, backbone_path, load_lpips
from genbench.medium import Images
from genbench.metrics.extractor import hash_weights
from genbench.metrics.material import Material
from genbench.metrics.pairs import PairScore
from genbench.metrics.score import Setting


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
        self._network = load_lpips("alex")
        self._sha256 = hash_weights(backbone_path("alex"))

    def unsuited(self, setting: Setting) -> str | None:
        """Return that the images are too small for AlexNet, where they are."""
        smallest = BACKBONES["alex"].smallest
        if isinstance(setting.medium, Images) and min(setting.medium.shape[1:]) < smallest:
            return f"AlexNet takes images of at least {smallest} pixels a side"
        return super().unsuited(setting)

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return the network and its weights."""
        return super().protocol(material) | {"lpips": {"network": "AlexNet", "sha256": self._sha256}}

    @torch.no_grad()
    def compare(self, samples: Tensor, targets: Tensor) -> Tensor:
        """Return the distance of each image, (B,)."""
        distances: Tensor = self._network(to_float(samples), to_float(targets))
        return distances
