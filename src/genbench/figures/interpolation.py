"""Interpolation between latents, and animations of the results.

Example:
    python experiments/latent_interpolation/study.py outputs/gan_mnist/RUN
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

Interpolation = Callable[[Tensor, Tensor, Tensor], Tensor]


def lerp(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """Return (1 - t) start + t end.

    The midpoint of two high-dimensional Gaussian latents is shorter than either by a factor of about sqrt(2), which the
    generator never saw in training.

    Args:
        start: latents (B, D).
        end: latents (B, D).
        t: positions (T,) in [0, 1].

    Returns:
        latents (B, T, D).
    """
    t = t.view(1, -1, 1)
    return (1 - t) * start[:, None] + t * end[:, None]


def slerp(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """Interpolate spherically, along the great circle between two latents, and their lengths linearly (White 2016).

    Latents of the same or of opposite direction, which define no unique great circle, are interpolated linearly.
    https://arxiv.org/abs/1609.04468; arguments and result are those of `lerp`.
    """
    lengths = [part.norm(dim=1, keepdim=True) for part in (start, end)]
    one, other = (part / length.clamp_min(1e-12) for part, length in zip((start, end), lengths, strict=True))
    cosine = (one * other).sum(1, keepdim=True).clamp(-1, 1)
    angle = cosine.arccos()[:, None]
    t = t.view(1, -1, 1)
    on_circle = (((1 - t) * angle).sin() * one[:, None] + (t * angle).sin() * other[:, None]) / angle.sin()
    length = (1 - t) * lengths[0][:, None] + t * lengths[1][:, None]
    return torch.where(angle.sin().abs() < 1e-4, lerp(start, end, t), on_circle * length)


def walk(stops: Tensor, steps: int, path: Interpolation) -> Tensor:
    """Return latents (N * steps, D) along a closed interpolation through stops (N, D), each stop once."""
    t = torch.arange(steps) / steps
    return path(stops, stops.roll(-1, 0), t).flatten(0, 1)


def save_animation(frames: Sequence[Tensor], path: Path, seconds: float = 0.06) -> None:
    """Write images uint8 (C, H, W), C 1 or 3, as a looping animation; GIF or WebP by the suffix of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = [frame.permute(1, 2, 0).cpu().numpy() for frame in frames]
    pictures = [Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array) for array in arrays]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=round(1000 * seconds), loop=0)
