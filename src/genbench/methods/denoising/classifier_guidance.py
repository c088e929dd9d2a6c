"""DDPM guided by a classifier (Dhariwal and Nichol 2021, https://arxiv.org/abs/2105.05233, section 4).

The denoiser is unconditional. A classifier of noisy images is trained with it,

    L = E_{x_0, y, t} [-log p_phi(y | x_t, t)],

and its gradient guides sampling: score(x_t) + s grad log p_phi(y | x_t, t). Both are trained at once, each with its own
noise. (`guided_by_classifier` takes two that were trained apart.)

Example:
    python -m genbench experiment=classifier_guidance_mnist16
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from genbench.conditions.base import Condition
from genbench.conditions.choosing import expect
from genbench.conditions.classes import Classes
from genbench.diffusion.estimates import Denoise
from genbench.diffusion.guidance import classifier_guided
from genbench.diffusion.processes import DiscreteProcess
from genbench.medium import Medium
from genbench.methods.denoising.ddpm import DDPM


class WithClassifier(nn.Module):
    """A denoiser and a classifier that are trained, averaged and saved together; `forward` runs the denoiser.

    Args:
        denoiser: called with x_t and t.
        classifier: called with x_t and t; returns logits (B, K).
    """

    def __init__(self, denoiser: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.classifier = classifier

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Return the denoiser's prediction."""
        predicted: Tensor = self.denoiser(x_t, t)
        return predicted


class ClassifierGuidedDDPM(DDPM):
    """DDPM with a classifier of noisy images.

    Args:
        denoiser: builds the denoiser, which is unconditional.
        medium: what a sample is.
        condition: of the data, which must have classes.
        classifier: builds the classifier from `shape` and `outputs`, the number of classes.
        process: a chain of T steps.
        guidance: the guidance scale s.
        settings: those of `DDPM`.

    Raises:
        ValueError: an argument is out of range, or the data has no classes.
    """

    def __init__(
        self,
        denoiser: Callable[..., nn.Module],
        medium: Medium,
        condition: Condition | None = None,
        *,
        classifier: Callable[..., nn.Module],
        process: DiscreteProcess,
        guidance: float = 1.0,
        **settings: Any,
    ) -> None:
        classes = expect(condition, Classes, "guidance by a classifier takes data with classes, such as data=mnist")
        if guidance < 0:
            raise ValueError(f"guidance must be at least 0, not {guidance}")

        def both(shape: tuple[int, ...], condition: None) -> WithClassifier:
            return WithClassifier(
                denoiser(shape=shape, condition=None), classifier(shape=shape, outputs=len(classes.names))
            )

        super().__init__(both, medium, condition, process=process, conditional=False, **settings)
        self.condition, self.null = classes, classes.null(1)
        self.guidance = guidance

    def losses(self, x_0: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """DDPM's loss of the unconditional denoiser."""
        return super().losses(x_0, t, None)

    def further_losses(self, x_0: Tensor, t: Tensor, y: Tensor | None) -> dict[str, Tensor]:
        """-log p_phi(y | x_t, t) of each image (B,)."""
        assert y is not None
        x_t = self.process.diffuse(x_0, t, torch.randn_like(x_0))
        logits = cast(WithClassifier, self.denoiser).classifier(x_t, self.process.network_time(t))
        return {"classifier": cross_entropy(logits, y, reduction="none")}

    def denoise_with(self, y: Tensor | None, *, guidance: float = 0.0) -> Denoise:
        """Return the averaged denoiser, guided by the averaged classifier towards classes y (B,)."""
        unguided = super().denoise_with(None)
        if y is None:
            return unguided
        classifier = cast(WithClassifier, self.average.module).classifier

        def classify(x_t: Tensor, t: Tensor) -> Tensor:
            logits: Tensor = classifier(x_t, self.process.network_time(t))
            return logits

        return classifier_guided(unguided, classify, y, guidance)
