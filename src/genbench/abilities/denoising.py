"""What can be asked of models of noisy samples, which samplers and guidance need."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions
from genbench.conditions.classes import Classes
from genbench.diffusion.estimates import Denoise
from genbench.diffusion.processes import Process
from genbench.medium import Medium


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
