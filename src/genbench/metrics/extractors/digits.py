"""The digit classifier included in the package: a feature extractor for grey digits that needs no download."""

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import interpolate

from genbench.errors import UserError
from genbench.images import to_float
from genbench.metrics.extractor import Extractor, Features, hash_weights

DIGITS_WEIGHTS = Path(__file__).with_name("digits.safetensors")


class DigitClassifier(Extractor):
    """A small convolutional classifier of grey digits of any size, trained on MNIST and on scikit-learn's digits.

    `experiments/digit_classifier` trains its weights and reports its accuracy. Its features are the 64 inputs of the
    last layer.
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
        features = self.features_of(to_float(images))
        return Features(features, self.classify(features))

    def features_of(self, images: Tensor) -> Tensor:
        """Return features (B, 64) of images (B, 1, H, W) in [-1, 1]."""
        pixels = images
        if pixels.shape[-2:] != (self.input_size, self.input_size):
            pixels = interpolate(pixels, (self.input_size, self.input_size), mode="bilinear", antialias=True)
        features: Tensor = self.embed(self.convolutions(pixels))
        return features


def load_digit_classifier(weights: Path = DIGITS_WEIGHTS) -> DigitClassifier:
    """Return the classifier included in the package, frozen and in evaluation mode."""
    classifier = DigitClassifier()
    classifier.load_state_dict(load_file(weights))
    classifier.weights_sha256 = hash_weights(weights)
    return classifier.requires_grad_(False).eval()


def load(weights: str | None = None) -> Extractor:
    """Return the classifier included in the package.

    Raises:
        UserError: a file of weights is given.
    """
    if weights is not None:
        raise UserError("metrics.weights is for metrics.extractor=inception: the digit classifier has its own")
    return load_digit_classifier()
