"""The interface of feature extractors, and the naming of scores by their weights."""

import hashlib
import sys
from abc import abstractmethod
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn


class Features(NamedTuple):
    """An extractor's outputs for a batch.

    Attributes:
        features: (B, D), compared by Frechet distances.
        logits: (B, K), unnormalised log-probabilities of the K classes.
    """

    features: Tensor
    logits: Tensor


class Extractor(nn.Module):
    """A frozen feature network.

    Attributes:
        name: its name in protocols.
        suffix: appended to the names of its scores; empty for FID's own Inception.
        feature_dim: D, length of a feature vector.
        class_count: K, number of classes.
        resize: how images are resized to its input size.
        weights_sha256: the first 16 hexadecimal digits of the SHA-256 of its weights file.
        takes_images: whether it takes uint8 images, rather than samples of any medium.
    """

    name: str
    suffix: str
    feature_dim: int
    class_count: int
    resize: str
    weights_sha256: str
    takes_images = True

    @property
    def facts(self) -> dict[str, str]:
        """What a protocol says of it."""
        return {"extractor": self.name, "extractor_sha256": self.weights_sha256, "resize": self.resize}

    @abstractmethod
    def forward(self, images: Tensor) -> Features:
        """Return features and logits of stored samples, such as uint8 images (B, C, H, W).

        Raises:
            UserError: it doesn't support the images' number of channels.
        """

    def features_of(self, images: Tensor) -> Tensor:
        """Return features (B, D) of images (B, C, H, W) in [-1, 1], which need not be of 256 levels.

        Raises:
            ValueError: it takes stored images alone.
        """
        raise ValueError(f"the {self.name} takes images of 256 levels alone")


def offer_digits() -> str:
    """Return a hint for users who don't need Inception."""
    return "; for grey digits metrics=digits needs no file"


def name_weights(extractor: Extractor, published: str) -> None:
    """Rename an extractor whose weights are not the published ones, and warn.

    Otherwise its scores could be mistaken for scores by the published weights.

    Args:
        extractor: with `weights_sha256`; its `name` and `suffix` are changed.
        published: the beginning of the SHA-256 of the published weights file.
    """
    digits = min(len(published), len(extractor.weights_sha256))
    if extractor.weights_sha256[:digits] == published[:digits]:
        return
    short = extractor.weights_sha256[:8]
    kind = extractor.suffix.removeprefix("_") or extractor.name
    extractor.suffix = f"_{kind}_{short}"
    print(
        f"genbench: warning: metrics.weights are not the published weights of {extractor.name} (their SHA-256 begins "
        f"with {short}, not {published[:8]}): their scores end in {extractor.suffix} and compare with no others",
        file=sys.stderr,
        flush=True,
    )
    extractor.name = f"{extractor.name} with other weights ({short})"


def hash_weights(weights: Path) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a weights file, which protocols record."""
    with weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
