"""Images of noise in any shape: speed and memory do not depend on what images show."""

import torch

from genbench.data.base import DataSet, Split
from genbench.data.store import SampleStore


class NoiseData(DataSet):
    """Images of noise, with source images of noise where a method translates.

    Args:
        shape: (C, H, W).
        batch_size: images of a batch.
        count: images of the split; as many as a batch if None.
        translates: whether the condition is a source image of the same shape.
    """

    name = "noise"

    def __init__(
        self, shape: tuple[int, int, int], batch_size: int, *, count: int | None = None, translates: bool = False
    ) -> None:
        super().__init__(batch_size=batch_size, seed=0)
        self.image_shape = shape
        self.source_shape = shape if translates else None
        self._count = count or batch_size

    def load(self, split: Split) -> SampleStore:
        """Return the noise."""
        images = torch.randint(0, 256, (self._count, *self.image_shape), dtype=torch.uint8)
        return SampleStore(images, images.flip(0) if self.source_shape else None)
