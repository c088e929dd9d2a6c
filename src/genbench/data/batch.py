"""What every DataModule yields."""

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """A batch of images with what they show.

    Attributes:
        image: float32 in [-1, 1], (B, C, H, W).
        condition: None, class labels (B,), attributes (B, K), a source image (B, C, H, W) or caption tokens (B, L).
    """

    image: Tensor
    condition: Tensor | None
