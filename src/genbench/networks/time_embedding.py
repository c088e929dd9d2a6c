"""Embeddings of the time of a noisy sample."""

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

TimeFeatures = Literal["sinusoids", "sinusoids_openai", "fourier"]


class Sinusoids(nn.Module):
    """Sines and cosines of 1000 t at frequencies from 1 to 1/10000 (Vaswani et al. 2017, section 3.5).

    Args:
        dim: how many features; even.
        scale: what t = 1 is scaled to.
        includes_last: whether the lowest frequency is 1/10000, as in Ho's code, or the one before it in a series of one
            more, as in OpenAI's.
    """

    frequencies: Tensor

    def __init__(self, dim: int, scale: float = 1000.0, *, includes_last: bool = True) -> None:
        super().__init__()
        half = dim // 2
        self.scale = scale
        exponents = torch.arange(half) / (half - 1 if includes_last else half)
        self.register_buffer("frequencies", (-math.log(10000) * exponents).exp(), persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        """Return features (B, dim) of times (B,) in [0, 1]."""
        angles = self.scale * t[:, None] * self.frequencies
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


def embed_time(features: TimeFeatures, width: int, length: int, scale: float = 1000.0) -> nn.Sequential:
    """Return a network that maps times (B,) to embeddings (B, length).

    Args:
        features: "sinusoids", at Ho's frequencies; "sinusoids_openai", at OpenAI's; or "fourier", random Fourier
            features.
        width: how many features.
        length: of an embedding.
        scale: what t = 1 is scaled to before the sinusoids.

    Raises:
        ValueError: there are no such features, or what has no sinusoids is scaled.
    """
    if scale == 0:
        raise ValueError("time_scale must not be 0: the network would know nothing of the time")
    if features not in get_args(TimeFeatures):
        raise ValueError(f"time must be one of {', '.join(get_args(TimeFeatures))}, not {features!r}")
    if features == "fourier":
        if scale != 1000:
            raise ValueError("time_scale is of sinusoids: time=fourier has none")
        first: nn.Module = RandomFourier(width)
    else:
        first = Sinusoids(width, scale, includes_last=features == "sinusoids")
    return nn.Sequential(first, nn.Linear(width, length), nn.SiLU(), nn.Linear(length, length))
