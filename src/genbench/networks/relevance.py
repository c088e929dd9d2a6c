"""Which places of an image matter for a score, of convolutional networks."""

from collections.abc import Callable

import torch
from torch import Tensor


def relevance_of_maps(maps: Tensor, embed: Callable[[Tensor], Tensor], score: Callable[[Tensor], Tensor]) -> Tensor:
    """Return how relevant each place of maps is, at least 0, (B, H, W) (Selvaraju et al. 2017, Grad-CAM).

    https://arxiv.org/abs/1610.02391, equations 1 and 2: the sum of channels, each times the mean of its gradient.

    Args:
        maps: (B, C, H, W), the last ones of a network.
        embed: maps them to embeddings (B, D).
        score: returns a number (B,) of embeddings.
    """
    with torch.enable_grad():
        maps = maps.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(score(embed(maps)).sum(), maps)
    return (gradient.mean((2, 3), keepdim=True) * maps.detach()).sum(1).clamp_min(0)
