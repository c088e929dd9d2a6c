"""Base of methods that sample a trained diffusion model by the gradient of another model of noisy images.

The two are trained apart, and there is nothing more to train. A method's own file says what the gradient is of.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from genbench.abilities import Denoises
from genbench.diffusion.estimates import Denoise
from genbench.diffusion.processes import Process
from genbench.medium import Medium
from genbench.methods.assembled import Assembled
from genbench.methods.denoising.running import run_sampler
from genbench.randomness import Noise

_TIMES = 11
"""Times at which two processes are compared."""


class Guide(Protocol):
    """A model of noisy images of a forward process."""

    medium: Medium
    process: Process


class Guided(Assembled):
    """Sample a diffusion model with another model's guidance.

    Args:
        denoiser: the part that is sampled.
        guide: the part whose gradient guides it, of noisy images of the same process.
        name: of that part.
        sampler: one of `diffusion.samplers`, with its settings.
        guidance: the guidance scale s.

    Raises:
        ValueError: the parts do not go together, or `guidance` is negative.
    """

    denoiser: Denoises

    def __init__(
        self, denoiser: Denoises, guide: Guide, name: str, *, sampler: Callable[..., Tensor], guidance: float
    ) -> None:
        super().__init__()
        if guidance < 0:
            raise ValueError(f"guidance must be at least 0, not {guidance}")
        if denoiser.medium.shape != guide.medium.shape:
            raise ValueError(
                f"parts.denoiser draws {denoiser.medium.shape}, and parts.{name} takes {guide.medium.shape}"
            )
        if denoiser.space is not denoiser.medium:
            raise ValueError(f"parts.denoiser denoises latents, and parts.{name} takes noisy images")
        if not _same(denoiser.process, guide.process):
            raise ValueError(f"parts.denoiser and parts.{name} were trained by different forward processes")
        self.denoiser = denoiser
        self.medium = denoiser.medium
        self.sampler = sampler
        self.guidance = guidance

    @abstractmethod
    def guided(self, y: Tensor) -> Denoise:
        """Return the denoiser, guided to rows y (B, ...) of the condition."""

    @torch.no_grad()
    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return samples (count, *medium.shape) of `count` rows of the condition.

        Raises:
            ValueError: the rows are missing or invalid.
            UserError: a part does not know what they say, or the sampler's settings do not suit the process.
        """
        y = self.check_condition(condition, count)
        assert y is not None
        bounds = self.medium.bounds

        def draw() -> Tensor:
            return noise.normal(count, *self.medium.shape).to(self.device)

        samples = run_sampler(self.sampler, self.guided(y), self.denoiser.process, draw)
        return samples if bounds is None else samples.clamp(*bounds)


def _same(one: Process, other: Process) -> bool:
    """Whether two processes have the same noise at all times."""
    t = torch.linspace(1 / _TIMES, 1, _TIMES, dtype=torch.float64)
    return bool(torch.allclose(one.alpha(t), other.alpha(t)) and torch.allclose(one.sigma(t), other.sigma(t)))
