"""What a feature extractor is, and how scores by its weights are named."""

import hashlib
import sys
from abc import abstractmethod
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn


class Features(NamedTuple):
    """What an extractor says of a batch.

    Attributes:
        features: (B, D), what Frechet distances compare.
        logits: (B, K), unnormalised log-probabilities of the K classes.
    """

    features: Tensor
    logits: Tensor


class Extractor(nn.Module):
    """A frozen network that says what images show.

    Attributes:
        name: what it is called in protocols.
        suffix: what is appended to the names of its scores; those by FID's own Inception have none.
        feature_dim: D, length of a feature vector.
        class_count: K, number of classes.
        resize: how images are brought to its size.
        weights_sha256: the first 16 hexadecimal digits of the hash of its weights' file.
        takes_images: whether it takes uint8 images, rather than samples of any medium.
    """

    name: str
    suffix: str
    feature_dim: int
    class_count: int
    resize: str
    weights_sha256: str
    takes_images = True

    @abstractmethod
    def forward(self, images: Tensor) -> Features:
        """Return features and logits of stored samples, such as uint8 images (B, C, H, W).

        Raises:
            UserError: it can't look at images of so many channels.
        """


def offer_digits() -> str:
    """Return what to say to those who can do without Inception."""
    return "; for grey digits metrics=digits needs no file"


def name_weights(extractor: Extractor, published: str) -> None:
    """Let an extractor bear another name if its weights are not the published ones, and say so.

    A score by weights that nobody knows would else stand among those by the known ones as if it were one of them.

    Args:
        extractor: with `weights_sha256`; its `name` and `suffix` are changed.
        published: what the SHA-256 of the published weights' file begins with.
    """
    digits = min(len(published), len(extractor.weights_sha256))
    if extractor.weights_sha256[:digits] == published[:digits]:
        return
    short = extractor.weights_sha256[:8]
    kind = extractor.suffix.removeprefix("_") or extractor.name
    extractor.suffix = f"_{kind}_{short}"
    print(
        f"genbench: warning: metrics.weights are not the published weights of {extractor.name} (their SHA-256 begins "
        f"with {short}, not {published[:8]}): scores by them end in {extractor.suffix} and compare with no others",
        file=sys.stderr,
        flush=True,
    )
    extractor.name = f"{extractor.name} with other weights ({short})"


def hash_weights(weights: Path) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a file of weights: a score names it."""
    with weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
