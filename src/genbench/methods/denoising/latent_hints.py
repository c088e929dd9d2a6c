"""What a network of latents is given to fill in images: latents of the known part, and how much of each is known.

Rombach et al. 2022 (https://arxiv.org/abs/2112.10752, section 4.5): the image, grey where it is not known, is encoded
by the first stage, and the mask is made as small as its latents.
"""

from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from genbench.conditions.base import Condition
from genbench.conditions.packing import Packing


class LatentHints:
    """Makes hints (B, D + 1, H, W), and packs them with rows of a condition, see `Packing`.

    Args:
        shown: the condition; None for none.
        shape: (D, H, W) of latents.
    """

    def __init__(self, shown: Condition | None, shape: Sequence[int]) -> None:
        channels, height, width = shape
        self.shape = channels + 1, height, width
        self._packing = Packing(shown)

    def make(self, encode: Callable[[Tensor], Tensor], x: Tensor, mask: Tensor) -> Tensor:
        """Return the hints (B, D + 1, H, W) of the known part of images.

        Latents of a place of which nothing is known are zero, so that they say nothing of what is around it.

        Args:
            encode: maps images to latents, as large as the noise.
            x: images (B, C, H, W).
            mask: 1 where they are known and 0 where they are not, (B, 1, H, W).
        """
        known = adaptive_avg_pool2d(mask, self.shape[1:])
        return torch.cat([encode(x * mask) * (known > 0), known], dim=1)

    def pack(self, y: Tensor | None, hints: Tensor) -> Tensor:
        """Return rows of both; of the null condition if y is None."""
        return self._packing.pack(self._packing.null(len(hints)) if y is None else y, hints)

    def split(self, y: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """Return rows of the condition, None if there is none, and hints; None if rows y (B, ...) have none."""
        # Packed rows are longer than any row of the condition by itself.
        if y is None or y.ndim != 2 or y.shape[1] != self._packing.length + prod(self.shape):
            return y, None
        shown, hints = self._packing.split(y)
        return shown if self._packing.length else None, hints.unflatten(1, self.shape)
