"""CLIP of noisy images, which guides a diffusion model to captions (Nichol et al. 2022, section 2.3).

CLIP's loss, of images x_t = alpha_t x_0 + sigma_t eps at times of a forward process, each with a time and noise of its
own; the image tower is given the time. https://arxiv.org/abs/2112.10741

It draws nothing by itself: it is a part of `guided_by_clip`. Of images without noise it is a CLIP like any other.

Example:
    python -m genbench experiment=noisy_clip_scenes
"""

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.diffusion.processes import DiscreteProcess
from genbench.diffusion.times import EvenSteps
from genbench.medium import Medium
from genbench.methods.contrastive.clip import CLIP
from genbench.methods.denoising.quarters import by_quarter
from genbench.methods.optimisation import Loss
from genbench.networks.clip_text import TextTransformer


class NoisyCLIP(CLIP):
    """Contrast noisy images at all times of a chain with the texts of a batch, and each text with its images.

    Args:
        image_tower: builds the image tower from `side`, in pixels, and `steps`, of the chain; it is called with x_t and
            t in [0, 1] as the process gives it to networks.
        text_tower: builds the text tower from `form`, that of the token sequences.
        medium: what a sample is; square images.
        condition: of the data, which must be captions.
        process: the forward process of the diffusion model that it is to guide.
        settings: those of `CLIP`; images are never resized, as their noise is of the process's own resolution.

    Raises:
        ValueError: an argument is out of range, or the data has no captions or no square images.
    """

    def __init__(
        self,
        image_tower: Callable[..., Any],
        text_tower: Callable[..., TextTransformer],
        medium: Medium,
        condition: Condition | None = None,
        *,
        process: DiscreteProcess,
        **settings: Any,
    ) -> None:
        if "steps" not in signature(image_tower).parameters:
            raise ValueError(
                "a CLIP of noisy images takes an image tower that is given the time, such as network=clip_small_resnet"
            )
        if settings.get("image_size") is not None:
            raise ValueError("image_size has no effect: the noise is of the data's own resolution")
        super().__init__(partial(image_tower, steps=process.steps), text_tower, medium, condition, **settings)
        self.process = process
        self.times = EvenSteps(process.steps)

    def loss(self, batch: Batch) -> Loss:
        """Return CLIP's loss of a batch, each image at a time of its own, and figures, the accuracy by quarters too."""
        x_0, rows = batch.pair()
        t, _ = self.times.draw(len(x_0), x_0.device)
        x_t = self.process.diffuse(x_0, t, torch.randn_like(x_0))
        images, texts, scale = self.towers(self.preprocess(x_t), rows, self.process.network_time(t))
        loss, figures, right = self.contrast(images, texts, scale, rows)
        if self.measures:
            figures |= by_quarter("image_accuracy", right, t)
        return loss, figures

    def embed_noisy(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Return embeddings (B, D) of x_t (B, C, H, W) at times (B,) in [0, 1], from the averaged weights.

        Raises:
            ValueError: the images are of another size than those of the training.
        """
        if x_t.shape[1:] != self.medium.shape:
            raise ValueError(f"this CLIP takes noisy images of {self.medium.shape}, not {tuple(x_t.shape[1:])}")
        embedded: Tensor = self._averaged.image(self.preprocess(x_t), self.process.network_time(t))
        return embedded

    def embed_images(self, x: Tensor) -> Tensor:
        """Return embeddings (B, D) of images (B, 1 or 3, H, W) in [-1, 1] without noise, of any size."""
        x = self.preprocess(x)
        embedded: Tensor = self._averaged.image(x, self.process.network_time(x.new_zeros(len(x))))
        return embedded
