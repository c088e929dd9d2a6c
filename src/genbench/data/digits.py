"""scikit-learn's handwritten digits: 1,797 real scans of 8 x 8 pixels, shipped with the library, no download.

They are the test set of the UCI "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998).

Example:
    python -m genbench experiment=gan_digits data.size=32
"""

from typing import Any

import numpy as np
import torch

from genbench.conditions.classes import Classes
from genbench.data.base import DataSet, Split
from genbench.data.resize import resize
from genbench.data.store import SampleStore
from genbench.errors import UserError
from genbench.medium import Images

_TEST_EVERY = 5
"""Every fifth image of each class is a test image. (Not of the whole file, in which the classes alternate.)"""


class Digits(DataSet):
    """1,442 training and 355 test digits with their classes, white on black.

    Args:
        size: side in pixels, resized from 8 by bicubic interpolation; at least 8.
        batch_size: images of a batch over all processes.
        seed: seed of the training order.
        settings: those of `DataSet`.

    Raises:
        UserError: an argument is out of range.
    """

    name = "digits"

    def __init__(self, size: int = 28, batch_size: int = 64, seed: int = 0, **settings: Any) -> None:
        super().__init__(batch_size, seed, **settings)
        if size < 8:
            raise UserError(f"data.size must be at least the digits' own 8 pixels, not {size}")
        self.medium = Images((1, size, size))
        self.condition = Classes([str(digit) for digit in range(10)])

    def load(self, split: Split) -> SampleStore:
        """Return the images of a split, uint8 (N, 1, size, size), with their classes (N,)."""
        from sklearn.datasets import load_digits  # slow to import, and needed only by this data set

        images, classes = load_digits(return_X_y=True)
        is_test = np.zeros(len(images), dtype=bool)
        for digit in range(10):
            is_test[np.flatnonzero(classes == digit)[_TEST_EVERY - 1 :: _TEST_EVERY]] = True
        chosen = is_test if split == "test" else ~is_test
        # Pixels have levels from 0 to 16.
        ink = torch.from_numpy(images[chosen] * (255 / 16)).round().to(torch.uint8).view(-1, 1, 8, 8)
        return SampleStore(resize(ink, self.medium.shape[1], "bicubic"), torch.from_numpy(classes[chosen]).long())
