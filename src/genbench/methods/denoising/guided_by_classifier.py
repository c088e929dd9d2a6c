"""A trained diffusion model, guided by a trained classifier of noisy images.

Dhariwal and Nichol 2021 (https://arxiv.org/abs/2105.05233, section 4): the two are trained apart, and together they
sample class-conditionally,

    score(x_t | y) = score(x_t) + s grad log p_phi(y | x_t, t)

There is nothing to train: the method is assembled from its parts. (`classifier_guidance` trains both in one run.)

Example:
    python -m genbench experiment=guided_digits parts.denoiser=RUN parts.classifier=RUN
"""

from collections.abc import Callable

import torch
from torch import Tensor

from genbench.abilities import ClassifiesNoisy, Denoises
from genbench.conditions.classes import Classes
from genbench.diffusion.guidance import classifier_guided
from genbench.diffusion.processes import Process
from genbench.errors import UserError
from genbench.methods.base import GenerativeMethod
from genbench.parts import Frozen
from genbench.randomness import Noise

_TIMES = 11
"""Times at which two processes are compared."""


class GuidedByClassifier(GenerativeMethod):
    """Sample a diffusion model class-conditionally, by the gradient of a classifier.

    Args:
        denoiser: a diffusion model, unconditional or of the same classes.
        classifier: of noisy images of the same process.
        sampler: one of `diffusion.samplers`, with its settings.
        guidance: the guidance scale s.

    Raises:
        ValueError: the parts do not go together, or `guidance` is negative.
    """

    def __init__(
        self,
        denoiser: Frozen[Denoises],
        classifier: Frozen[ClassifiesNoisy],
        *,
        sampler: Callable[..., Tensor],
        guidance: float = 1.0,
    ) -> None:
        super().__init__()
        if guidance < 0:
            raise ValueError(f"guidance must be at least 0, not {guidance}")
        given, classes = denoiser.condition, classifier.classes
        if given is not None and not (isinstance(given, Classes) and len(given.names) == len(classes.names)):
            raise ValueError("parts.denoiser must be unconditional, or conditioned on the classes of parts.classifier")
        if denoiser.medium.shape != classifier.medium.shape:
            raise ValueError(
                f"parts.denoiser draws {denoiser.medium.shape}, and parts.classifier takes {classifier.medium.shape}"
            )
        if not _same(denoiser.process, classifier.process):
            raise ValueError("parts.denoiser and parts.classifier were trained by different forward processes")
        self.denoiser = denoiser
        self.classifier = classifier
        self.medium = denoiser.medium
        self.condition = classifier.classes
        self.sampler = sampler
        self.guidance = guidance

    def training_step(self, batch: object, batch_idx: int) -> None:
        """Refuse: there is nothing to train."""
        raise UserError("this method is only assembled from its parts: set steps=0")

    @torch.no_grad()
    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return samples (count, *medium.shape) of classes `condition`, (count,).

        Raises:
            ValueError: the classes are missing or invalid.
            UserError: the sampler's settings do not suit the process.
        """
        y = self.check_condition(condition, count)
        assert y is not None
        process, bounds = self.denoiser.process, self.medium.bounds
        # A conditional model is led by both, as guided-diffusion's for ImageNet are.
        unguided = self.denoiser.denoise_with(None if self.denoiser.condition is None else y)
        denoise = classifier_guided(unguided, self.classifier.classify, y, self.guidance)

        def draw() -> Tensor:
            return noise.normal(count, *self.medium.shape).to(self.device)

        try:
            samples: Tensor = self.sampler(denoise, process, process.prior_std * draw(), draw)
        except ValueError as error:
            raise UserError(f"sampler: {error}") from error
        return samples if bounds is None else samples.clamp(*bounds)


def _same(one: Process, other: Process) -> bool:
    """Whether two processes have the same noise at all times."""
    t = torch.linspace(1 / _TIMES, 1, _TIMES, dtype=torch.float64)
    return bool(torch.allclose(one.alpha(t), other.alpha(t)) and torch.allclose(one.sigma(t), other.sigma(t)))
