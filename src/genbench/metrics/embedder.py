"""Features of a run that embeds images, such as an autoencoder's latents or a classifier's last layer."""

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor

from genbench.abilities import EmbedsImages, EmbedsTexts
from genbench.errors import UserError
from genbench.images import to_float
from genbench.metrics.extractor import Extractor, Features
from genbench.metrics.extractors.digits import load_digit_classifier
from genbench.parts import Frozen, follow

_BATCH = 64


def embedding_by(model: EmbedsImages | None) -> Callable[[Tensor], Tensor]:
    """Return what maps stored images, uint8 (N, C, H, W), to features (N, D): a model's, or those of digits."""
    embed: Callable[[Tensor], Tensor] = load_digit_classifier().features_of if model is None else model.embed_images

    @torch.no_grad()
    def embedded(images: Tensor) -> Tensor:
        batches = (images[first : first + _BATCH] for first in range(0, len(images), _BATCH))
        return torch.cat([embed(to_float(batch)).flatten(1).float() for batch in batches])

    return embedded


class Embedder(Extractor):
    """The embedding of a trained model.

    Args:
        model: that embeds images.
        kind: what it is, a short name such as "vae".
        sha256: of its weights.
    """

    class_count = 0
    resize = "none"
    model: EmbedsImages

    def __init__(self, model: Frozen[EmbedsImages], kind: str, sha256: str) -> None:
        super().__init__()
        self.name = f"{kind} of a run ({sha256[:8]})"
        # Scores by other weights compare with no others, so their names differ.
        self.suffix = f"_{kind}_{sha256[:8]}"
        self.weights_sha256 = sha256
        self.feature_dim = model.embedding_dim
        if isinstance(model, EmbedsTexts):
            self.resize = "as the run itself does"
        # Not as a module, since the model itself knows where it is.
        self.__dict__["model"] = model
        self.register_buffer("place", torch.empty(0))

    def forward(self, images: Tensor) -> Features:
        """Return features (B, D) of uint8 images (B, C, H, W), with logits (B, 0).

        Raises:
            UserError: the images are not of the shape that the model takes.
        """
        shape = self.model.medium.shape
        if not isinstance(self.model, EmbedsTexts) and tuple(images.shape[1:]) != tuple(shape):
            raise UserError(f"the {self.name} takes images of the shape {shape}, not {tuple(images.shape[1:])}")
        features = self.features_of(to_float(images))
        return Features(features, features.new_empty(len(features), 0))

    def features_of(self, images: Tensor) -> Tensor:
        """Return features (B, D) of images (B, C, H, W) in [-1, 1]."""
        return self.model.embed_images(images).flatten(1).float()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        follow(fn, [self.__dict__["model"]])
        return self
