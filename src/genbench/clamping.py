"""Clamping that leaves saturated values a way back (Crowson et al. 2022, https://arxiv.org/abs/2204.08583)."""

from typing import Any

import torch
from torch import Tensor


def clamp_with_gradient(x: Tensor, low: float, high: float) -> Tensor:
    """Return x clamped; beyond a bound the gradient is that of x where a step against it leads back, and 0 otherwise.

    A plain clamp has no gradient there at all, so that a saturated pixel would stay so.
    """
    clamped: Tensor = _Clamp.apply(x, low, high)
    return clamped


class _Clamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.bounds = low, high
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (x,), (low, high) = ctx.saved_tensors, ctx.bounds
        (gradient,) = gradients
        # Above the upper bound a gradient above 0 leads down, below the lower one a gradient below 0 leads up.
        leads_back = gradient * (x - x.clamp(low, high)) >= 0
        return gradient * leads_back, None, None
