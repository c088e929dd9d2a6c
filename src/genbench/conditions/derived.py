"""Conditions that are made of the samples themselves, so that every data set has them."""

from abc import ABC, abstractmethod

from torch import Tensor
from torch.nn.functional import interpolate

from genbench.conditions.base import Condition
from genbench.conditions.source_images import SourceImages
from genbench.images import to_float, to_uint8
from genbench.medium import Images, Medium


class Derived(ABC):
    """How a condition is made of a sample."""

    @abstractmethod
    def condition(self, medium: Medium) -> Condition:
        """Return what the rows mean.

        Raises:
            ValueError: it can't be made of such samples.
        """

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """Return the rows of samples (B, ...)."""


class LowResolution(Derived):
    """The image, shrunk by a whole factor and rounded to 256 levels, as it would come from a file.

    Shrinking is bicubic with antialiasing.

    Args:
        factor: by which each side shrinks; at least 2.

    Raises:
        ValueError: `factor` is out of range.
    """

    def __init__(self, factor: int) -> None:
        if factor < 2:
            raise ValueError(f"factor must be at least 2, not {factor}")
        self.factor = factor

    def condition(self, medium: Medium) -> SourceImages:
        """Return source images of the smaller size."""
        if not isinstance(medium, Images):
            raise ValueError("only images have a lower resolution")
        channels, height, width = medium.shape
        if height % self.factor or width % self.factor:
            raise ValueError(f"images of {height} x {width} pixels can't be shrunk by a factor of {self.factor}")
        return SourceImages((channels, height // self.factor, width // self.factor))

    def __call__(self, x: Tensor) -> Tensor:
        """Return the smaller images, float32 in [-1, 1]."""
        height, width = x.shape[-2] // self.factor, x.shape[-1] // self.factor
        smaller = interpolate(x.float(), (height, width), mode="bicubic", antialias=True)
        return to_float(to_uint8(smaller))
