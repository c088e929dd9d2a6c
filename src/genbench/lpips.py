"""LPIPS: a distance of images by the features of a network that classifies photographs (Zhang et al. 2018).

https://arxiv.org/abs/1801.03924, version 0.1 by torchmetrics, which brings the linear layers. The backbone's weights on
ImageNet are those of torchvision, taken from torch's cache and never downloaded.
"""

import warnings
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torchmetrics.functional.image.lpips import _LPIPS

from genbench.local_weights import must_exist, read_weights

Backbone = Literal["alex", "vgg"]


class _Facts(NamedTuple):
    owner: str
    file: str
    smallest: int


BACKBONES: dict[Backbone, _Facts] = {
    "alex": _Facts("AlexNet", "alexnet-owt-7be5be79.pth", 31),
    "vgg": _Facts("VGG-16", "vgg16-397923af.pth", 16),
}
"""Of each backbone its name, the file of torchvision's weights, and the pixels of a side below which nothing is left to
pool."""


def backbone_path(backbone: Backbone) -> Path:
    """Return where torchvision's weights of a backbone lie.

    Raises:
        UserError: they are not there.
    """
    facts = BACKBONES[backbone]
    return must_exist(Path(torch.hub.get_dir()) / "checkpoints" / facts.file, f"{facts.owner} (torchvision)")


def load_lpips(backbone: Backbone) -> "Lpips":
    """Return the distance by torchvision's weights of a backbone.

    Raises:
        UserError: they are not there, or are of another network.
    """
    path = backbone_path(backbone)
    return read_weights(path, lambda: Lpips(backbone, path))


class Lpips(nn.Module):
    """The distance of each image to its target, frozen.

    Args:
        backbone: "alex", as the score is computed; or "vgg", as losses are.
        path: of the backbone's weights, of which tensors alone are read.

    Raises:
        KeyError: the file lacks a layer.
        RuntimeError: a layer has another shape.
    """

    def __init__(self, backbone: Backbone, path: Path) -> None:
        super().__init__()
        weights = torch.load(path, map_location="cpu", weights_only=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = _LPIPS(net=backbone, pnet_rand=True)
        # Its slices keep the numbers that the layers have in torchvision's network.
        names = network.net.state_dict()
        network.net.load_state_dict({name: weights[f"features.{name.split('.', 1)[1]}"] for name in names})
        self.network = network
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Lpips":
        """Stay in evaluation mode."""
        return super().train(False)

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return the backbone's maps (B, C', H', W') of images (B, 1 or 3, H, W) in [-1, 1], at five resolutions."""
        return list(self.network.net(self.network.scaling_layer(images.expand(-1, 3, -1, -1))))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the distances (B,) of images (B, 1 or 3, H, W) in [-1, 1]."""
        distances: Tensor = self.network(*(images.expand(-1, 3, -1, -1) for images in (x, y)))
        return distances.flatten()
