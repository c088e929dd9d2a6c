"""A first stage whose small images of captions are known: grey ones."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genbench.batch import Batch
from genbench.conditions.captions import Captions
from genbench.medium import Images
from genbench.randomness import Noise


class Grey(nn.Module):
    """Draws grey images of half the side.

    Args:
        shape: (C, S, S) of the large images.
    """

    derives_condition = False

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        channels, height, width = shape
        self.medium = Images((channels, height // 2, width // 2))
        self.condition = Captions(["a", "b"], 3)

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def condition_of(self, batch: Batch) -> Tensor | None:
        return batch.condition

    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        return torch.zeros(count, *self.medium.shape)
