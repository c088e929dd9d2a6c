"""A fully connected denoiser that sees its input at every layer: the latent network of diffusion autoencoders.

Preechakul et al. 2022 (https://arxiv.org/abs/2111.15640, appendix B and table 7): each layer is given the previous
one's output with the noisy vector beside it, is scaled by the embedding of the time, and normalised.

Example:
    >>> MLPSkip((512,))(torch.randn(8, 512), torch.rand(8)).shape    # the paper's for faces: 54.1 M parameters
    torch.Size([8, 512])
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genbench.conditions.base import Condition
from genbench.networks.conditioning import encoder_of
from genbench.networks.time_embedding import embed_time

_FEATURES = 64


class _Layer(nn.Module):
    """A linear map, scaled by an embedding, normalised, and SiLU."""

    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.from_embedding = nn.Sequential(nn.SiLU(), nn.Linear(embedding, outputs))
        self.after = nn.Sequential(nn.LayerNorm(outputs), nn.SiLU())

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Return vectors (B, outputs) of x (B, inputs)."""
        out: Tensor = self.after(self.linear(x) * (1 + self.from_embedding(embedding)))
        return out


class MLPSkip(nn.Module):
    """Predict vectors (B, D) from noisy ones and their times.

    Args:
        shape: (D,) of a vector.
        condition: what it is conditioned on, as a vector; None for unconditional.
        width: of the layers.
        layers: how many; at least 2.

    Raises:
        ValueError: samples are no vectors, a number is out of range, or the condition is an image.
    """

    def __init__(
        self, shape: Sequence[int], condition: Condition | None = None, *, width: int = 2048, layers: int = 10
    ) -> None:
        super().__init__()
        if len(shape) != 1:
            raise ValueError(f"mlp_skip is for vectors, not samples of shape {tuple(shape)}")
        if layers < 2 or width < 1:
            raise ValueError(f"layers={layers} must be at least 2, and width={width} at least 1")
        (size,) = shape
        self.embed_time = embed_time("sinusoids_openai", _FEATURES, size)
        self.embed_condition = None if condition is None else encoder_of(condition, size, tuple(shape))
        inputs = [size, *[width + size] * (layers - 2)]
        self.layers = nn.ModuleList(_Layer(each, width, size) for each in inputs)
        self.last = nn.Linear(width + size, size)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x_t: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return predictions (B, D).

        Args:
            x_t: noisy vectors (B, D).
            t: their times (B,) in [0, 1].
            condition: rows of its condition, (B, ...); None for the null condition.
        """
        embedding = self.embed_time(t)
        if self.embed_condition is not None:
            encoded = self.embed_condition(self.embed_condition.rows_or_null(condition, len(x_t))).vector
            assert encoded is not None
            embedding = embedding + encoded
        x = x_t
        for number, layer in enumerate(self.layers):
            x = layer(torch.cat([x, x_t], dim=1) if number else x, embedding)
        predicted: Tensor = self.last(torch.cat([x, x_t], dim=1))
        return predicted
