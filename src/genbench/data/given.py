"""Somebody's images as a reference: a whole folder, zip or array, which is no data set of GenBench's."""

import hashlib
from pathlib import Path
from typing import Any

from genbench.data.sample_set import open_samples
from genbench.data.store import SampleStore
from genbench.medium import Images

WHOLE = "all"
"""The one split."""

_BATCH = 256


class GivenImages:
    """All images of a place, of one size.

    Args:
        path: a folder or zip of pictures, an `.npz` or `.npy`.
        key: the setting that named it, for messages.

    Raises:
        UserError: there are no images, or they can't be read.
    """

    condition = None
    splits = (WHOLE,)

    def __init__(self, path: Path, key: str) -> None:
        self.name = path.name
        self._images = open_samples(path, None, key=key)
        self.medium = Images(self._images.shape[1:])

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._images)

    def prepare_data(self) -> None:
        """Do nothing: they are there."""

    def identity(self, split: Any) -> dict[str, Any]:
        """Return the shape of an image and a hash of all pixels."""
        digest = hashlib.sha256()
        for first in range(0, len(self._images), _BATCH):
            digest.update(self._images[first : first + _BATCH].contiguous().numpy().tobytes())
        return {**self.medium.describe(), "sha256": digest.hexdigest()[:16]}

    def store(self, split: Any) -> SampleStore:
        """Return the images."""
        return SampleStore(self._images)  # type: ignore[arg-type]
