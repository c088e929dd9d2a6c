"""Networks in whose features images are compared."""

import hashlib
import sys
from abc import abstractmethod
from pathlib import Path
from typing import Literal, NamedTuple

from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import interpolate

from genbench.errors import UserError
from genbench.images import to_float

ExtractorName = Literal["digits", "inception", "clip", "dinov2"]
DIGITS_WEIGHTS = Path(__file__).with_name("digits.safetensors")


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
    """

    name: str
    suffix: str
    feature_dim: int
    class_count: int
    resize: str
    weights_sha256: str

    @abstractmethod
    def forward(self, images: Tensor) -> Features:
        """Return features and logits of uint8 images (B, C, H, W).

        Raises:
            UserError: it can't judge images of so many channels.
        """


class DigitClassifier(Extractor):
    """A small convolutional classifier of grey digits of any size, trained on MNIST and on scikit-learn's digits.

    `experiments/digit_classifier` made its weights and says how accurate it is. Its features are the 64 inputs of
    the last layer.
    """

    name = "digit classifier"
    suffix = "_digits"
    feature_dim = 64
    class_count = 10
    input_size = 28
    resize = "bilinear, antialiased, to 28 pixels"

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels_in, channels_out, stride in ((1, 32, 1), (32, 32, 2), (32, 64, 1), (64, 64, 2), (64, 128, 2)):
            layers += [
                nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(channels_out),
                nn.ReLU(inplace=True),
            ]
        self.convolutions = nn.Sequential(*layers)
        self.embed = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(512, self.feature_dim), nn.ReLU())
        self.classify = nn.Linear(self.feature_dim, self.class_count)

    def forward(self, images: Tensor) -> Features:
        """Return features and logits of uint8 images (B, 1, H, W).

        Raises:
            UserError: the images are not grey.
        """
        if images.shape[1] != 1:
            raise UserError(
                f"the digit classifier scores grey images, not {images.shape[1]} channels: set metrics=inception, or "
                "metrics=none"
            )
        pixels = to_float(images)
        if pixels.shape[-2:] != (self.input_size, self.input_size):
            pixels = interpolate(pixels, (self.input_size, self.input_size), mode="bilinear", antialias=True)
        features = self.embed(self.convolutions(pixels))
        return Features(features, self.classify(features))


def load_digit_classifier(weights: Path = DIGITS_WEIGHTS) -> DigitClassifier:
    """Return the classifier that the package carries, frozen and in evaluation mode."""
    classifier = DigitClassifier()
    classifier.load_state_dict(load_file(weights))
    classifier.weights_sha256 = hash_weights(weights)
    return classifier.requires_grad_(False).eval()


def load_extractor(name: ExtractorName, weights: str | None = None) -> Extractor:
    """Return an extractor by its name.

    Args:
        name: "digits", "inception", "clip" or "dinov2".
        weights: file of the weights; see `inception` and `vision`.

    Raises:
        UserError: there is no such extractor, or its weights can't be had.
    """
    if name == "digits":
        if weights is not None:
            raise UserError("metrics.weights is for metrics.extractor=inception: the digit classifier has its own")
        return load_digit_classifier()
    if name == "inception":
        from genbench.metrics.inception import Inception  # torch-fidelity takes a second to import

        return Inception(weights)
    if name in ("clip", "dinov2"):
        from genbench.metrics.vision import Vision  # as above

        return Vision(name, weights)
    raise UserError(f"metrics.extractor must be digits, inception, clip or dinov2, not {name!r}")


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
