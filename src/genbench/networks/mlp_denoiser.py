"""A fully connected denoiser for samples other than images, such as small point sets.

Example:
    >>> MLPDenoiser((24, 2))(torch.randn(8, 24, 2), torch.rand(8)).shape
    torch.Size([8, 24, 2])
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genbench.conditions.base import Condition
from genbench.networks.conditioning import encoder_of
from genbench.networks.time_embedding import embed_time


class MLPDenoiser(nn.Module):
    """Residual layers over the flattened sample, each conditioned on the embedding of time and condition.

    Args:
        shape: of a sample.
        condition: what it is conditioned on, as a vector; None for unconditional.
        outputs: samples that it predicts at once, such as 2 for noise and variance.
        width: of the layers.
        layers: how many.

    Raises:
        ValueError: the condition is an image.
    """

    def __init__(
        self,
        shape: Sequence[int],
        condition: Condition | None = None,
        *,
        outputs: int = 1,
        width: int = 256,
        layers: int = 4,
    ) -> None:
        super().__init__()
        size = math.prod(shape)
        self.shape = tuple(shape)
        self.outputs = outputs
        self.embed_time = embed_time("sinusoids", width, width)
        self.embed_condition = None if condition is None else encoder_of(condition, width, tuple(shape))
        if self.embed_condition is not None and self.embed_condition.channels:
            raise ValueError("a fully connected denoiser takes a condition that is a vector, not an image")
        self.first = nn.Linear(size, width)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
            for _ in range(layers)
        )
        last = nn.Linear(width, outputs * size)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.last = nn.Sequential(nn.LayerNorm(width), last)

    def forward(self, x_t: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return predictions (B, outputs * first of shape, ...).

        Args:
            x_t: noisy samples (B, *shape).
            t: their times (B,) in [0, 1].
            condition: rows of its condition, (B, ...); None for the null condition.
        """
        embedding = self.embed_time(t)
        if self.embed_condition is not None:
            rows = self.embed_condition.rows_or_null(condition, len(x_t))
            encoded = self.embed_condition(rows).vector
            assert encoded is not None
            embedding = embedding + encoded
        x = self.first(x_t.flatten(1))
        for layer in self.layers:
            x = x + layer(x + embedding)
        first, *rest = self.shape
        return torch.unflatten(self.last(x), 1, (self.outputs * first, *rest))
