"""How much of an image has which colour: features of images whose domains or classes are colours; it has no weights."""

import torch
from torch import Tensor

from genbench.errors import UserError
from genbench.images import to_float
from genbench.metrics.extractor import Extractor, Features

LEVELS = 6
"""Bins of each channel."""


class Colours(Extractor):
    """The square roots of the fractions of an image's pixels that have each of 6 x 6 x 6 colours.

    A pixel between the centres of bins counts for both, by its distance (trilinearly), so that features change with
    colours without steps. The Euclidean distance of two images is sqrt 2 times Hellinger's of their histograms. Grey
    images are taken as colours that are grey.
    """

    name = "colours"
    suffix = "_colours"
    feature_dim = LEVELS**3
    class_count = 0
    resize = "none"
    weights_sha256 = "none"

    def __init__(self) -> None:
        super().__init__()
        # An empty buffer that records the extractor's device.
        self.register_buffer("place", torch.empty(0))

    def forward(self, images: Tensor) -> Features:
        """Return features (B, 216), and no logits, of uint8 images (B, C, H, W).

        Raises:
            UserError: they have neither 1 nor 3 channels.
        """
        features = self.features_of(to_float(images))
        return Features(features, features[:, :0])

    def features_of(self, images: Tensor) -> Tensor:
        """Return features (B, 216) of images (B, C, H, W) in [-1, 1].

        Raises:
            UserError: they have neither 1 nor 3 channels.
        """
        if images.shape[1] not in (1, 3):
            raise UserError(f"metrics.extractor=colours sees grey or colour images, not {images.shape[1]} channels")
        pixels = images.expand(-1, 3, -1, -1).flatten(2).clamp(-1, 1)
        # (B, 3, H W, 6): how much of each bin a pixel is in, by channel.
        centres = torch.linspace(-1, 1, LEVELS, device=images.device)
        near = (1 - (pixels[..., None] - centres).abs() * (LEVELS - 1) / 2).clamp(min=0)
        counts = torch.einsum("bpr,bpg,bps->brgs", *near.unbind(1))
        return (counts.flatten(1) / pixels.shape[2]).sqrt()


def load() -> Extractor:
    """Return the extractor."""
    return Colours()
