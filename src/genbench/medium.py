"""What a sample is: an image, a set of points, an embedding. Whoever draws, stores, saves or shows samples asks it."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from genbench.errors import DivergenceError, UserError
from genbench.files import written_whole
from genbench.images import save_image, to_float, to_uint8

_TOLERANCE = 0.01
"""Less than a level and a half of uint8: rounding may lead so far out of [-1, 1], a wrong range leads farther."""

_PICTURE = 64
"""Pixels of a side of the picture of a set of points."""


class Medium(ABC):
    """A kind of sample and its shape.

    Samples have two forms: floating point, as methods draw and see them, and as they are stored, scored and saved.

    Attributes:
        shape: of one sample.
        bounds: the range that values of a sample lie in; None where there is none.
    """

    suffix: ClassVar[str]
    """Of a file that holds one sample."""

    def __init__(self, shape: Sequence[int], bounds: tuple[float, float] | None) -> None:
        self.shape = tuple(shape)
        self.bounds = bounds

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return what is said of it in a manifest and in protocols."""

    @abstractmethod
    def store(self, samples: Tensor) -> Tensor:
        """Return samples as they are stored."""

    @abstractmethod
    def load(self, stored: Tensor) -> Tensor:
        """Return stored samples as methods see them."""

    @abstractmethod
    def picture(self, stored: Tensor) -> Tensor:
        """Return pictures of stored samples, uint8 (N, C, H, W)."""

    @abstractmethod
    def read(self, path: Path) -> Tensor:
        """Return the stored sample of a file that `save` wrote."""

    @abstractmethod
    def largest_file(self) -> int:
        """Return the bytes that a file takes at worst."""

    @abstractmethod
    def save(self, stored: Tensor, path: Path) -> None:
        """Write one stored sample as a whole file; folders are made as needed."""

    def check(self, samples: Tensor, count: int, first: int = 0) -> Tensor:
        """Return samples that a method drew, after a look whether they can be.

        Args:
            samples: (count, *shape).
            count: how many were asked for.
            first: number of the first, for the message.

        Raises:
            DivergenceError: a sample is not finite.
            UserError: they are not of the shape or not in the range.
        """
        if tuple(samples.shape) != (count, *self.shape):
            raise UserError(
                f"the method returned samples of shape {tuple(samples.shape)} where {(count, *self.shape)} were asked"
            )
        if not samples.isfinite().all():
            bad = int((~samples.isfinite().flatten(1).all(1)).nonzero()[0])
            raise DivergenceError(
                f"sample {first + bad} of the method is not finite: the weights have diverged, or guidance or a "
                "sampler's settings lead beyond all numbers"
            )
        if self.bounds is not None:
            low, high = self.bounds
            if samples.min() < low - _TOLERANCE or samples.max() > high + _TOLERANCE:
                raise UserError(
                    f"the method returned values from {samples.min():.3g} to {samples.max():.3g}, which must lie in "
                    f"[{low:g}, {high:g}]"
                )
        return samples


class Images(Medium):
    """Images float32 in [-1, 1], stored as uint8.

    Args:
        shape: (C, H, W).
    """

    suffix = ".png"

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__(shape, (-1.0, 1.0))

    def describe(self) -> dict[str, Any]:
        """Return the shape of an image."""
        return {"image_shape": list(self.shape)}

    def store(self, samples: Tensor) -> Tensor:
        """Return uint8 images, rounded to the nearest level."""
        return to_uint8(samples)

    def load(self, stored: Tensor) -> Tensor:
        """Return float32 images."""
        return to_float(stored)

    def picture(self, stored: Tensor) -> Tensor:
        """Return the images themselves."""
        return stored

    def read(self, path: Path) -> Tensor:
        """Return uint8 (C, H, W)."""
        with Image.open(path) as picture:
            pixels = np.array(picture)
        return torch.from_numpy(pixels).view(*pixels.shape[:2], -1).permute(2, 0, 1)

    def largest_file(self) -> int:
        """Return the bytes of a PNG that is not compressed: a filter's byte a row, and a few headers."""
        channels, height, width = self.shape
        return (channels * width + 1) * height + 256

    def save(self, stored: Tensor, path: Path) -> None:
        """Write a PNG."""
        save_image(stored, path)


class Arrays(Medium):
    """What is kept as an array of float32."""

    suffix = ".npy"

    def store(self, samples: Tensor) -> Tensor:
        """Return the samples as float32."""
        return samples.to(torch.float32)

    def load(self, stored: Tensor) -> Tensor:
        """Return the samples."""
        return stored

    def read(self, path: Path) -> Tensor:
        """Return a float32 array of the shape of a sample."""
        return torch.from_numpy(np.load(path, allow_pickle=False))

    def largest_file(self) -> int:
        """Return the bytes of an `.npy` file."""
        return 4 * math.prod(self.shape) + 256

    def save(self, stored: Tensor, path: Path) -> None:
        """Write an `.npy` file of float32."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as beside, open(beside, "wb") as file:
            np.save(file, stored.cpu().numpy())


class Points(Arrays):
    """Sets of points float32 (N, D), about the size of [-1, 1] but without bounds.

    Args:
        shape: (N, D), D 2 or 3.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__(shape, None)

    def describe(self) -> dict[str, Any]:
        """Return the shape of a set of points."""
        return {"points": list(self.shape)}

    def picture(self, stored: Tensor) -> Tensor:
        """Return black dots on white, seen along the last axis, uint8 (N, 1, 64, 64) of [-1.5, 1.5] squared."""
        places = ((stored[..., :2] / 1.5 + 1) / 2 * _PICTURE).floor().long().cpu()
        inside = ((places >= 0) & (places < _PICTURE)).all(-1)
        pictures = torch.full((len(stored), 1, _PICTURE, _PICTURE), 255, dtype=torch.uint8)
        sample = torch.arange(len(stored))[:, None].expand(places.shape[:2])
        # Rows of a picture go down, y goes up.
        pictures[sample[inside], 0, _PICTURE - 1 - places[..., 1][inside], places[..., 0][inside]] = 0
        return pictures


class Latents(Arrays):
    """Maps of latents float32 (D, H, W), without bounds.

    Args:
        shape: (D, H, W).
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__(shape, None)

    def describe(self) -> dict[str, Any]:
        """Return the shape of a map."""
        return {"latents": list(self.shape)}

    def picture(self, stored: Tensor) -> Tensor:
        """Return the first three channels, or the first one, from -3 to 3, uint8 (N, 3 or 1, H, W)."""
        channels = 3 if self.shape[0] >= 3 else 1
        return (stored[:, :channels] / 6 + 0.5).clamp(0, 1).mul(255).round().to(torch.uint8)


class Embeddings(Arrays):
    """Vectors float32 (D,) of length 1 that say what an image shows.

    Args:
        shape: (D,).
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__(shape, None)

    def describe(self) -> dict[str, Any]:
        """Return how many numbers an embedding has."""
        return {"embedding": list(self.shape)}

    def picture(self, stored: Tensor) -> Tensor:
        """Return heat maps, row by row, of numbers from -3 to 3 standard deviations, uint8 (N, 1, S, S)."""
        (size,) = self.shape
        side = math.isqrt(size - 1) + 1
        # The standard deviation of a coordinate of a random direction.
        brightness = (stored * size**0.5 / 6 + 0.5).clamp(0, 1).mul(255).round()
        padded = pad(brightness, (0, side * side - size), value=128)
        return padded.view(-1, 1, side, side).to(torch.uint8)
