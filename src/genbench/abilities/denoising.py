"""What can be asked of models of noisy samples, which samplers and guidance need."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from torch import Tensor

from genbench.abilities.drawing import Generative
from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions
from genbench.conditions.classes import Classes
from genbench.diffusion.estimates import Denoise
from genbench.diffusion.processes import Process
from genbench.medium import Medium
from genbench.randomness import Noise


@runtime_checkable
class Denoises(Protocol):
    """The ability to denoise samples of a forward process, which samplers need."""

    medium: Medium

    space: Medium
    """What is noised and denoised: the medium itself, or the latents of its samples."""

    condition: Condition | None
    process: Process

    def denoise_with(self, y: Tensor | None, *, guidance: float = 0.0) -> Denoise:
        """Return the averaged network as a denoiser for samplers, differentiable with respect to x_t."""
        ...


@runtime_checkable
class DrawsLed(Generative, Protocol):
    """The ability to draw samples led by the gradient of what is thought of their images."""

    def sample_led(
        self,
        count: int,
        log_probability: Callable[[Tensor], Tensor],
        scale: float,
        condition: Tensor | None = None,
        *,
        noise: Noise,
        images: Tensor | None = None,
        begin: float = 1.0,
    ) -> Tensor:
        """Return samples (count, *medium.shape) from the averaged weights.

        Args:
            count: how many.
            log_probability: returns (B,) of estimates of samples (B, *medium.shape), differentiable; they may be beyond
                the medium's range.
            scale: the factor of its gradient.
            condition: rows of its condition; None to do without, also if the method is conditional.
            noise: source of random numbers.
            images: from which sampling begins, after they were made noisy; None for noise alone.
            begin: the time in (0, 1] at which they are.
        """
        ...


@runtime_checkable
class ClassifiesNoisy(Protocol):
    """The ability to classify noisy images of a forward process."""

    medium: Medium
    process: Process
    classes: Classes

    def classify(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Return logits (B, K) of x_t (B, C, H, W) at times (B,) in [0, 1], from the averaged weights."""
        ...


@runtime_checkable
class EmbedsNoisy(Protocol):
    """The ability to embed noisy images of a forward process, and texts, in one space.

    Embeddings are not normalised: whoever compares them divides by their norms.
    """

    medium: Medium
    process: Process
    condition: Captions
    """How texts become rows."""

    @property
    def logit_scale(self) -> float:
        """The factor of cosines in logits, exp of the learnt log-scale."""
        ...

    def embed_texts(self, rows: Tensor) -> Tensor:
        """Return features (B, D) of rows (B, L) of its captions, from the averaged weights."""
        ...

    def embed_noisy(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Return features (B, D) of x_t (B, C, H, W) at times (B,) in [0, 1], from the averaged weights."""
        ...
