"""The exponential moving average of a network's weights: what is sampled and scored."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class AveragedNetwork(AveragedModel):
    """An exponential moving average of a network, kept as a submodule beside it.

    After the n-th update the weight of the past is min(decay, (1 + n) / (10 + n)), so early averages follow the
    network instead of its random start; the first update copies it. BatchNorm's running statistics are averaged with
    the same weights: copied from the live network they would belong to weights that the average does not have. The
    average is always in evaluation mode and asks for no gradients.

    Args:
        network: the network to follow.
        decay: weight of the past in the long run, in [0, 1); 0 keeps a plain copy.

    Raises:
        ValueError: `decay` is outside [0, 1).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"ema_decay must be in [0, 1), not {decay}")

        def average(averaged: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
            past = min(decay, (1 + int(count)) / (10 + int(count)))
            for old, new in zip(averaged, current, strict=True):
                # BatchNorm's count of batches is a whole number and has no average.
                if old.is_floating_point():
                    old.lerp_(new, 1 - past)
                else:
                    old.copy_(new)

        super().__init__(network, multi_avg_fn=average, use_buffers=True)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "AveragedNetwork":
        """Stay in evaluation mode, whatever the module around it does."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the averaged network."""
        return super().forward(*args, **kwargs)
