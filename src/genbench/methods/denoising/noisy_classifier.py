"""A classifier of noisy images, which guides a diffusion model (Dhariwal and Nichol 2021, section 4).

    L = E_{x_0, y, t} [-log p_phi(y | x_t, t)],    x_t = alpha_t x_0 + sigma_t eps

It draws nothing by itself: it is a part of others, and its features compare images.

Example:
    python -m genbench experiment=noisy_classifier_digits
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.conditions.choosing import expect
from genbench.conditions.classes import Classes
from genbench.diffusion.processes import Process
from genbench.medium import Images, Medium
from genbench.methods.base import Method
from genbench.methods.optimisation import Loss, MakeOptimizer
from genbench.networks.timed_encoder import TimedEncoder
from genbench.networks.unet_encoder import UNetEncoder

Encoder = TimedEncoder | UNetEncoder


class NoisyClassifier(Method):
    """Classify images at all times of a forward process.

    Args:
        classifier: builds the network from `shape` and `outputs`, the number of classes; called with x_t and t in
            [0, 1], it returns logits (B, K).
        medium: what a sample is.
        condition: of the data, which must have classes.
        process: the forward process of the diffusion model that it is to guide.
        optimizer: maps parameters to an optimizer.
        settings: those of `Method`.

    Raises:
        ValueError: an argument is out of range, the data has no classes, or its samples are no images.
    """

    def __init__(
        self,
        classifier: Callable[..., Encoder],
        medium: Medium,
        condition: Condition | None = None,
        *,
        process: Process,
        optimizer: MakeOptimizer,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        if not isinstance(medium, Images):
            raise ValueError("this classifier takes images")
        self.classes = expect(condition, Classes, "a classifier takes data with classes, such as data=mnist")
        self.medium = medium
        self.process = process
        self.classifier = classifier(shape=medium.shape, outputs=len(self.classes.names))
        self.embedding_dim = self.classifier.feature_dim
        self.average = self.averaged(self.classifier)
        self.optimise("classifier", self.classifier, optimizer, average=self.average, loss="cross_entropy")

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Update the network and its average."""
        self.take_step("classifier", self.loss, batch)
        return self.finish_step()

    def loss(self, batch: Batch) -> Loss:
        """Return the cross entropy of a batch, each image at a time of its own, and the accuracy."""
        x_0, y = batch.pair()
        t = torch.rand(len(x_0), device=x_0.device)
        x_t = self.process.diffuse(x_0, t, torch.randn_like(x_0))
        logits = self.classifier(x_t, self.process.network_time(t))
        accuracy = (logits.argmax(1) == y).float().mean()
        return cross_entropy(logits, y), {"loss/accuracy": accuracy}

    def classify(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Return the averaged network's logits (B, K) of noisy images x_t (B, C, H, W) at times (B,)."""
        return self._averaged(x_t, self.process.network_time(t))

    def embed_images(self, x: Tensor) -> Tensor:
        """Return the averaged network's features (B, D) of images (B, C, H, W) in [-1, 1], without noise."""
        return self._averaged.features(x, torch.zeros(len(x), device=x.device))

    @property
    def _averaged(self) -> Encoder:
        return cast(Encoder, self.average.module)
