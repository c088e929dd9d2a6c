"""Methods trained on what a frozen part makes of each sample, which can be computed once for all of them."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from genbench.medium import Medium


def check_shape(part: str, encoded: Medium, medium: Medium) -> None:
    """Check that a part, of this name, encodes images of the data's shape.

    Raises:
        ValueError: the shapes differ.
    """
    if encoded.shape != medium.shape:
        raise ValueError(f"parts.{part} encodes images of shape {encoded.shape}, and the data has {medium.shape}")


class EncodesOnce(ABC):
    """What such methods have in common.

    Attributes:
        latents_in: folder in which latents of training samples are kept; None to encode each batch.
        is_given_latents: whether batches hold latents in the place of samples, which is said from outside.
    """

    encoder: ClassVar[str]
    """The part that encodes."""

    encodes_to: ClassVar[str]
    """What it makes of a sample, "latents", "codes" or "vectors", as one part may know several."""

    latents_in: str | None
    is_given_latents = False
    derives_condition: bool

    @classmethod
    def check_images(cls, encoded: Medium, medium: Medium) -> None:
        """Check that the part encodes images of the data's shape.

        Args:
            encoded: what the part encodes.
            medium: what a sample of the data is.

        Raises:
            ValueError: the shapes differ.
        """
        check_shape(cls.encoder, encoded, medium)

    @property
    def varies(self) -> str | None:
        """What makes latents of a sample differ from step to step, or needs the sample itself; None if nothing does."""
        return "the condition is derived from the samples themselves" if self.derives_condition else None

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Return latents (B, ...), floating point or whole numbers, of samples (B, ...), without gradients."""

    def latents_of(self, x: Tensor) -> Tensor:
        """Return latents of what a batch holds."""
        return x if self.is_given_latents else self.encode(x)
