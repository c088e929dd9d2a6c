"""Digits and their edge maps: a small real image-to-image task with pairs.

Example:
    >>> Edges2Digits(source="digits").store("train").batch(slice(0, 4)).condition.shape
    torch.Size([4, 1, 32, 32])
"""

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from genbench.conditions.source_images import SourceImages
from genbench.data.base import DataSet, Split
from genbench.data.digits import Digits
from genbench.data.mnist import MNIST
from genbench.data.store import SampleStore
from genbench.errors import UserError

_INK = 96
"""The darkest level, of 255, that counts as ink."""


class Edges2Digits(DataSet):
    """Digits with their edge map, white on black, as the condition (B, 1, size, size).

    Args:
        source: of the digits: "mnist" or "digits" (scikit-learn's, which need no files).
        root: folder of MNIST.
        download: whether MNIST may be downloaded.
        size: side in pixels.
        batch_size: images of a batch over all processes.
        seed: seed of the training order.

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(
        self,
        source: Literal["mnist", "digits"] = "mnist",
        root: str = "data",
        download: bool = True,
        size: int = 32,
        batch_size: int = 64,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, seed)
        self._digits = digit_data(source, root, size, download)
        self.name = f"edges2{source}"
        self.medium = self._digits.medium
        self.condition = SourceImages(self.medium.shape)

    def prepare_data(self) -> None:
        """Download MNIST if it is the source and is missing."""
        self._digits.prepare_data()

    def load(self, split: Split) -> SampleStore:
        """Return the digits of a split with their edge maps, both uint8 (N, 1, size, size)."""
        images = self._digits.store(split).samples[:]
        return SampleStore(images, edge_maps(images), condition=self.condition)


def edge_maps(images: Tensor) -> Tensor:
    """Return the outlines of the strokes in images (N, 1, H, W), uint8: 255 on the outline, 0 elsewhere.

    The outline consists of the pixels without ink that touch one with ink, so even thin strokes stay hollow.
    """
    ink = (images >= _INK).float()
    return ((max_pool2d(ink, 3, 1, 1) - ink) * 255).to(torch.uint8)


def digit_data(source: str, root: str, size: int, download: bool) -> DataSet:
    """Return MNIST or scikit-learn's digits.

    Raises:
        UserError: an argument is out of range.
    """
    if source == "mnist":
        return MNIST(str(Path(root)), size, download)
    if source == "digits":
        return Digits(size)
    raise UserError(f"the source of digits must be mnist or digits, not {source!r}")
