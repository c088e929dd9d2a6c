"""Images of noise in any shape: speed and memory do not depend on what images show."""

import torch

from genbench.conditions.source_images import SourceImages
from genbench.data.base import DataSet, Split
from genbench.data.store import SampleStore
from genbench.medium import Images


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
        self.medium = Images(shape)
        self.condition = SourceImages(shape) if translates else None
        self._count = count or batch_size

    def load(self, split: Split) -> SampleStore:
        """Return the noise."""
        images = torch.randint(0, 256, (self._count, *self.medium.shape), dtype=torch.uint8)
        sources = None if self.condition is None else images.flip(0)
        return SampleStore(images, sources, medium=self.medium, condition=self.condition)
