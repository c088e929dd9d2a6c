"""StyleCLIP's mapper: how far styles move, by level (Patashnik et al. 2021, section 5).

https://arxiv.org/abs/2103.17249.

Example:
    >>> StyleMapper(style_dim=512)(torch.randn(2, 18, 512)).shape
    torch.Size([2, 18, 512])
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from genbench.networks.stylegan_layers import EqualisedLinear

Level = Literal["coarse", "medium", "fine"]

_FIRST: dict[Level, int] = {"coarse": 0, "medium": 4, "fine": 8}
"""The first layer of each level; the last one of all has the rest."""

_LAYERS, _RATE = 4, 0.01
"""Fully connected layers of a network, and the factor of their learning rate."""


class StyleMapper(nn.Module):
    """Map w (B, L, style_dim) to what is added to them, each level by a network of its own.

    Args:
        style_dim: numbers of w.
        levels: that are changed; layers of others are left as they are.

    Raises:
        ValueError: there is none, or no such level.
    """

    def __init__(self, style_dim: int, levels: tuple[Level, ...] = ("coarse", "medium", "fine")) -> None:
        super().__init__()
        if not levels or not {*levels} <= {*get_args(Level)}:
            raise ValueError(f"levels must be of {', '.join(get_args(Level))}, not {list(levels)}")
        self.networks = nn.ModuleDict(
            {
                level: nn.Sequential(
                    *(EqualisedLinear(style_dim, style_dim, rate=_RATE, active=True) for _ in range(_LAYERS))
                )
                for level in levels
            }
        )

    def forward(self, w: Tensor) -> Tensor:
        """Return (B, L, style_dim), 0 for layers of levels that are left out."""
        starts = [*_FIRST.values(), w.shape[1]]
        parts = []
        for level, first, end in zip(_FIRST, starts, starts[1:], strict=False):
            own = w[:, first : max(first, end)]
            if level in self.networks and own.shape[1]:
                own = own * (own.square().mean(2, keepdim=True) + 1e-8).rsqrt()
                parts.append(self.networks[level](own))
            else:
                parts.append(torch.zeros_like(own))
        return torch.cat(parts, dim=1)
