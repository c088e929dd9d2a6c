"""What can be asked of methods that have a likelihood."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from genbench.randomness import Noise


@runtime_checkable
class HasLikelihood(Protocol):
    """The ability to compute or bound the likelihood of images."""

    likelihood: str
    """What the number is, in a few words: a bound or exact, and of what."""

    def bits_per_dim(self, x: Tensor, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return bits per dimension (B,) of images (B, C, H, W) of 256 levels in [-1, 1], by the averaged weights.

        Args:
            x: images.
            condition: rows of its condition, of a conditional method.
            noise: source of random numbers.
        """
        ...


@runtime_checkable
class HasCodeLikelihood(Protocol):
    """The ability to compute the likelihood of the codes of images."""

    code_likelihood: str
    """What the number is, in a few words."""

    def bits_per_code(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return bits per code (B,) of images (B, C, H, W) in [-1, 1], by the averaged weights.

        Args:
            x: images.
            condition: rows of its condition, of a conditional method.
        """
        ...
