"""Embeddings of the time of a noisy sample."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

TimeFeatures = Literal["sinusoids", "fourier"]


class Sinusoids(nn.Module):
    """Sines and cosines of 1000 t at frequencies from 1 to 1/10000 (Vaswani et al. 2017, section 3.5).

    Args:
        dim: how many features; even.
    """

    frequencies: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        half = dim // 2
        self.register_buffer(
            "frequencies", (-math.log(10000) * torch.arange(half) / (half - 1)).exp(), persistent=False
        )

    def forward(self, t: Tensor) -> Tensor:
        """Return features (B, dim) of times (B,) in [0, 1]."""
        angles = 1000 * t[:, None] * self.frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class RandomFourier(nn.Module):
    """Sines and cosines of t at fixed random frequencies (Tancik et al. 2020; Song et al. 2021).

    Args:
        dim: how many features; even.
        scale: standard deviation of the frequencies, in cycles per unit of time.
    """

    frequencies: Tensor

    def __init__(self, dim: int, scale: float = 16.0) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.randn(dim // 2) * scale * 2 * math.pi)

    def forward(self, t: Tensor) -> Tensor:
        """Return features (B, dim) of times (B,) in [0, 1]."""
        angles = t[:, None] * self.frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)


_TIME_FEATURES = {"sinusoids": Sinusoids, "fourier": RandomFourier}


def embed_time(features: TimeFeatures, width: int, length: int) -> nn.Sequential:
    """Return a network that maps times (B,) to embeddings (B, length).

    Args:
        features: "sinusoids" or "fourier", random Fourier features.
        width: how many features.
        length: of an embedding.

    Raises:
        ValueError: there are no such features.
    """
    if features not in _TIME_FEATURES:
        raise ValueError(f"time must be one of {', '.join(_TIME_FEATURES)}, not {features!r}")
    layers = nn.Linear(width, length), nn.SiLU(), nn.Linear(length, length)
    return nn.Sequential(_TIME_FEATURES[features](width), *layers)
