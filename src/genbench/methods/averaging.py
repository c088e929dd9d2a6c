"""The exponential moving average (EMA) of a network's weights, which is what is sampled and scored."""

from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from genbench.methods.sharding import local


class AveragedNetwork(AveragedModel):
    """An exponential moving average of a network, kept as a submodule beside it.

    It follows the network's updates, which it counts. The first `start` are copied, then every `every`-th enters the
    average: the first of these is copied too, and with the n-th after it the decay is min(decay, (1 + n) / (10 + n)),
    so that early averages follow the network instead of its random initialisation. BatchNorm's running statistics are
    averaged with the same decay: copied from the live network they would not match the averaged weights. The average is
    always in evaluation mode and needs no gradients.

    Args:
        network: the network to follow.
        decay: final decay, in [0, 1); 0 keeps a plain copy.
        warmup: whether the decay grows at first; otherwise it is `decay` from the second averaged update on.
        start: updates of the network before the averaging begins; until then the average is a copy.
        every: updates of the network from one update of the average to the next.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self, network: nn.Module, decay: float, *, warmup: bool = True, start: int = 0, every: int = 1
    ) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"ema_decay must be in [0, 1), not {decay}")
        for name, value, least in (("ema_start", start, 0), ("ema_every", every, 1)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        super().__init__(network, use_buffers=True)
        self.decay = decay
        self.warmup = warmup
        self.start = start
        self.every = every
        self._count: int | None = None
        self.register_load_state_dict_post_hook(_forget_count)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "AveragedNetwork":
        """Stay in evaluation mode, whatever the module around it does."""
        return super().train(False)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take in an update of the network."""
        # Read once per session: reading it on every step would sync the GPU.
        count = int(self.n_averaged) if self._count is None else self._count
        past = self._weight_of_past(count + 1)
        if past is not None:
            self._average(model, past)
        self.n_averaged += 1
        self._count = count + 1

    def _weight_of_past(self, number: int) -> float | None:
        """Return the decay with the network's update of this number, from 1; None if it is left out."""
        averaged, skipped = divmod(number - self.start, self.every)
        if averaged < 1 or (averaged == 1 and not skipped):
            return 0.0
        if skipped:
            return None
        past = averaged - 1
        return min(self.decay, (1 + past) / (10 + past)) if self.warmup else self.decay

    def _average(self, model: nn.Module, past: float) -> None:
        averaged, current = ([local(each) for each in _tensors(part)] for part in (self.module, model))
        pairs = list(zip(averaged, current, strict=True))
        moving = [pair for pair in pairs if pair[0].is_floating_point()]
        # One fused update of all tensors.
        get_ema_multi_avg_fn(past)([old for old, _ in moving], [new.detach() for _, new in moving], None)
        for old, new in pairs:
            # BatchNorm's count of batches is an integer and is not averaged.
            if not old.is_floating_point():
                old.copy_(new)


def _tensors(network: nn.Module) -> list[torch.Tensor]:
    """Return all parameters and buffers, shared ones once, in one traversal; `parameters` and `buffers` need two."""
    named = (tensors for part in network.modules() for tensors in (part._parameters, part._buffers))
    return list(dict.fromkeys(tensor for tensors in named for tensor in tensors.values() if tensor is not None))


def _forget_count(average: AveragedNetwork, _: Any) -> None:
    average._count = None
