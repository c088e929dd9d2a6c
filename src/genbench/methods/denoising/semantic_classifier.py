"""A linear classifier of a diffusion autoencoder's vectors, whose weights say how to change what an image shows.

Preechakul et al. 2022 (https://arxiv.org/abs/2111.15640, section 5.3). Of vectors standardised over the training
images, z, it learns log p(y | z) = w_y z + b_y, by the cross entropy. An image is led to show y by

    z' = z + s sqrt(D) d / |d|,    d = w_y - w_c of classes, of which it shows c now;  d = w_y of attributes

and decoded with the noise that it comes from, which keeps what the vector does not say.

Example:
    python -m genbench experiment=semantic_classifier_scenes parts.autoencoder=RUN
    python -m genbench edit editor=manipulate run=RUN images=DIR editor.target=red
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, normalize

from genbench.abilities import DecodesEmbeddings
from genbench.batch import Batch
from genbench.conditions.attributes import Attributes
from genbench.conditions.base import Condition
from genbench.conditions.classes import Classes
from genbench.errors import UserError
from genbench.medium import Medium
from genbench.methods.base import Method
from genbench.methods.encoding_once import EncodesOnce
from genbench.methods.optimisation import Loss, MakeOptimizer
from genbench.parts import Frozen


class SemanticClassifier(Method, EncodesOnce):
    """Classify the vectors of images linearly.

    Args:
        medium: what a sample is; images.
        condition: of the data: classes, or attributes.
        autoencoder: embeds images, and draws images of embeddings.
        optimizer: maps parameters to an optimizer.
        latents_in: folder in which vectors of training images are kept; None to encode each batch.
        settings: those of `Method`.

    Raises:
        ValueError: an argument is out of range, the autoencoder is of other images, or the data has neither classes nor
            attributes.
    """

    encoder = "autoencoder"
    encodes_to = "vectors"
    derives_condition = False

    def __init__(
        self,
        medium: Medium,
        condition: Condition | None = None,
        *,
        autoencoder: Frozen[DecodesEmbeddings],
        optimizer: MakeOptimizer,
        latents_in: str | None = "data/latents",
        **settings: object,
    ) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]
        if not isinstance(condition, Classes | Attributes):
            raise ValueError("a classifier of vectors takes data with classes or attributes, such as data=digits")
        self.check_images(autoencoder.medium, medium)
        self.medium = medium
        self.condition = condition
        self.autoencoder = autoencoder
        self.latents_in = latents_in
        self.targets: Sequence[str] = condition.names
        size = autoencoder.embedding_dim
        # Its running statistics are means over all batches.
        standardise = nn.BatchNorm1d(size, affine=False, momentum=None)
        self.classifier = nn.Sequential(
            OrderedDict(standardise=standardise, linear=nn.Linear(size, len(condition.names)))
        )
        self.average = self.averaged(self.classifier)
        self.optimise("classifier", self.classifier, optimizer, average=self.average, loss="cross_entropy")

    @property
    def decoder(self) -> DecodesEmbeddings:
        """What embeds images, and draws images of embeddings."""
        return self.autoencoder

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Update the classifier and its average.

        Raises:
            UserError: a process has one image alone, of which there is no deviation.
        """
        if len(batch.x) < 2:
            raise UserError("each process needs at least two images of a batch: set data.batch_size=N")
        self.take_step("classifier", self.loss, batch)
        return self.finish_step()

    def loss(self, batch: Batch) -> Loss:
        """Return the cross entropy of a batch, and the fraction that is classified rightly."""
        x, y = batch.pair()
        logits = self.classifier(self.latents_of(x))
        if isinstance(self.condition, Classes):
            return cross_entropy(logits, y), {"loss/accuracy": (logits.argmax(1) == y).float().mean()}
        # Of 1/2 nothing is known.
        known = (y != 0.5).float()
        losses = binary_cross_entropy_with_logits(logits, y, reduction="none") * known
        right = ((logits > 0) == (y > 0.5)).float() * known
        count = known.sum().clamp_min(1)
        return losses.sum() / count, {"loss/accuracy": right.sum() / count}

    def encode(self, x: Tensor) -> Tensor:
        """Return the autoencoder's vectors (B, D) of images."""
        return self.autoencoder.embed(x)

    @torch.no_grad()
    def recognise(self, z: Tensor) -> Tensor:
        """Return the probability of each class or attribute (B, K), by vectors (B, D)."""
        logits: Tensor = self.average.module(z.to(self.device))
        return logits.softmax(1) if isinstance(self.condition, Classes) else logits.sigmoid()

    @torch.no_grad()
    def lead(self, z: Tensor, target: int, strength: float) -> Tensor:
        """Return vectors (B, D) led to show a class or an attribute, by `strength` s; away from it where s < 0.

        The way to a class is from the one that is most probable now, and the way from it to the one that is most
        probable besides.
        """
        z = z.to(self.device)
        standardise = cast(nn.BatchNorm1d, self.average.module.get_submodule("standardise"))
        weight = cast(nn.Linear, self.average.module.get_submodule("linear")).weight
        direction = weight[target].expand_as(z)
        if isinstance(self.condition, Classes):
            probable = self.recognise(z)
            if strength < 0:
                probable[:, target] = -1
            # On the way there it is 0 of an image that shows the class already.
            direction = direction - weight[probable.argmax(1)]
        assert standardise.running_var is not None
        deviation = (standardise.running_var + standardise.eps).sqrt()
        return z + strength * z.shape[1] ** 0.5 * deviation * normalize(direction, dim=1)
