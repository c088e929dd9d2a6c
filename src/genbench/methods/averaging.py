"""The exponential moving average (EMA) of a network's weights, which is what is sampled and scored."""

from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class AveragedNetwork(AveragedModel):
    """An exponential moving average of a network, kept as a submodule beside it.

    After the n-th update the decay is min(decay, (1 + n) / (10 + n)), so that early averages follow the network instead
    of its random initialisation; the first update copies it. BatchNorm's running statistics are averaged with the same
    decay: copied from the live network they would not match the averaged weights. The average is always in evaluation
    mode and needs no gradients.

    Args:
        network: the network to follow.
        decay: final decay, in [0, 1); 0 keeps a plain copy.

    Raises:
        ValueError: `decay` is outside [0, 1).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"ema_decay must be in [0, 1), not {decay}")
        super().__init__(network, use_buffers=True)
        self.decay = decay
        self._count: int | None = None
        self.register_load_state_dict_post_hook(_forget_count)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "AveragedNetwork":
        """Stay in evaluation mode, whatever the module around it does."""
        return super().train(False)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Move the average towards the network."""
        # Read once per session: reading it on every step would sync the GPU.
        count = int(self.n_averaged) if self._count is None else self._count
        past = min(self.decay, (1 + count) / (10 + count)) if count else 0.0
        averaged, current = (_tensors(part) for part in (self.module, model))
        pairs = list(zip(averaged, current, strict=True))
        moving = [pair for pair in pairs if pair[0].is_floating_point()]
        # One fused update of all tensors.
        get_ema_multi_avg_fn(past)([old for old, _ in moving], [new.detach() for _, new in moving], count)
        for old, new in pairs:
            # BatchNorm's count of batches is an integer and is not averaged.
            if not old.is_floating_point():
                old.copy_(new)
        self.n_averaged += 1
        self._count = count + 1


def _tensors(network: nn.Module) -> list[torch.Tensor]:
    """Return all parameters and buffers, shared ones once, in one traversal; `parameters` and `buffers` need two."""
    named = (tensors for part in network.modules() for tensors in (part._parameters, part._buffers))
    return list(dict.fromkeys(tensor for tensors in named for tensor in tensors.values() if tensor is not None))


def _forget_count(average: AveragedNetwork, _: Any) -> None:
    average._count = None
