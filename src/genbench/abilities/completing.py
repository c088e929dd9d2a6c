"""What can be asked of methods that fill in or enlarge images."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from genbench.abilities.drawing import Generative
from genbench.conditions.base import Condition
from genbench.conditions.derived import LowResolution
from genbench.diffusion.processes import Process
from genbench.medium import Medium
from genbench.randomness import Noise


@runtime_checkable
class FillsIn(Generative, Protocol):
    """The ability to fill in what is missing of images."""

    def inpaint(self, known: Tensor, mask: Tensor, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images whose masked-out part is filled in.

        Args:
            known: images (B, C, H, W) in [-1, 1].
            mask: 1 where they are known and 0 where they are not, (H, W) or, for each image its own, (B, 1, H, W).
            condition: rows of its condition; None to do without, also if the method is conditional.
            noise: source of random numbers.
        """
        ...


@runtime_checkable
class FillsInByHints(FillsIn, Protocol):
    """The ability to fill in what is missing by a network that is given what is known."""

    inpainting: bool
    """Whether its network is given that."""


@runtime_checkable
class Upsamples(Protocol):
    """The ability to enlarge images, of captions or not."""

    medium: Medium
    """The large images."""

    shrink: LowResolution
    """What made the small images of its training from large ones."""

    shown: Condition | None
    """What it is conditioned on besides the small images; None for nothing."""

    inpainting: bool
    """Whether it can be given known pixels of the large images."""

    augments: bool
    """Whether it was trained on noisy small images, and so can be given such."""

    level: float
    """Of the noise that it adds to small images, in [0, 1]."""

    process: Process
    """By which it adds it."""

    def upsample(
        self,
        low: Tensor,
        condition: Tensor | None,
        *,
        noise: Noise,
        level: float | None = None,
        is_noisy: bool = False,
        until: float | None = None,
        known: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return images (B, *medium.shape) of small ones.

        Args:
            low: small images, (B, C, H, W) in [-1, 1].
            condition: rows of what it is conditioned on besides; None for nothing.
            noise: source of random numbers.
            level: of the noise of small images; None for its own.
            is_noisy: whether they have that noise already.
            until: the time at which sampling ends, so that images are as noisy as there; None for images.
            known: large images whose known pixels the result has, if it can be given such.
            mask: 1 where they are known and 0 where they are not, (B, 1, H, W).
        """
        ...
