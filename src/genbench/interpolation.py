"""Interpolation between latents: the paths, and the samples along them."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from genbench.abilities import DecodesEmbeddings, HasLatents, HasStyles
from genbench.medium import Medium
from genbench.randomness import Noise

LatentPath = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Maps start and end (B, D) and positions (T,) to latents (B, T, D)."""


def lerp(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """Return (1 - t) start + t end.

    The midpoint of two high-dimensional Gaussian latents is shorter than either by a factor of about sqrt(2), which the
    generator never saw in training.

    Args:
        start: latents (B, D).
        end: latents (B, D).
        t: positions (T,) in [0, 1].

    Returns:
        latents (B, T, D); those at 0 and 1 are the ends, to the bit.
    """
    t = t.to(start).view(1, -1, 1)
    return (1 - t) * start[:, None] + t * end[:, None]


def slerp(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """Interpolate along the great circle between the directions of two latents, and their lengths linearly.

    Shoemake 1985 (https://doi.org/10.1145/325334.325242); for latents White 2016 (https://arxiv.org/abs/1609.04468).
    Latents of the same or of opposite direction, which define no unique great circle, are interpolated linearly.
    Arguments and result are those of `lerp`.
    """
    # In float32 the angle between parallel latents would be off by some 3e-4.
    ends, t = [part.double() for part in (start, end)], t.double().to(start.device)
    lengths = [part.norm(dim=1, keepdim=True) for part in ends]
    one, other = (part / length.clamp_min(1e-12) for part, length in zip(ends, lengths, strict=True))
    cosine = (one * other).sum(1, keepdim=True).clamp(-1, 1)
    angle, across = cosine.arccos()[:, None], t.view(1, -1, 1)
    arcs = ((1 - across) * angle).sin() * one[:, None] + (across * angle).sin() * other[:, None]
    length = (1 - across) * lengths[0][:, None] + across * lengths[1][:, None]
    on_circle = (arcs / angle.sin() * length).to(start)
    at_an_end = (across == 0) | (across == 1)
    return torch.where(at_an_end | (angle.sin().abs() < 1e-4), lerp(start, end, t), on_circle)


PATHS: dict[str, LatentPath] = {"slerp": slerp, "linear": lerp}
"""The paths by their names."""


def closed_path(stops: Tensor, steps: int, path: LatentPath) -> Tensor:
    """Return latents (N * steps, D) along a closed interpolation through stops (N, D), each stop once."""
    t = torch.arange(steps) / steps
    return path(stops, stops.roll(-1, 0), t).flatten(0, 1)


def decode_path(method: HasLatents, z: Tensor, condition: Tensor | None = None) -> Tensor:
    """Return samples as they are stored, (B, T, ...) on the CPU, of latents along paths.

    Args:
        method: what decodes them.
        z: latents (B, T, latent_dim).
        condition: of each path a row of the method's condition; None for an unconditional method.
    """
    frames = (method.decode(z[:, place].to(method.device), condition) for place in range(z.shape[1]))
    return _stored(method.medium, frames, len(z))


def synthesise_path(method: HasStyles, w: Tensor) -> Tensor:
    """Return samples as they are stored, (B, T, ...) on the CPU, of styles (B, T, layers, style_dim) along paths."""
    frames = (method.synthesise(w[:, place]).clamp(-1, 1) for place in range(w.shape[1]))
    return _stored(method.medium, frames, len(w))


def decode_along(method: DecodesEmbeddings, z: Tensor, start: Tensor, noise: Noise) -> Tensor:
    """Return samples as they are stored, (B, T, ...) on the CPU, of embeddings along paths.

    Args:
        method: what decodes them.
        z: embeddings (B, T, D).
        start: the noise that sampling begins with, (B, T, ...).
        noise: source of further random numbers.
    """
    frames = (method.decode_embeddings(z[:, place], noise=noise, start=start[:, place]) for place in range(z.shape[1]))
    return _stored(method.medium, frames, len(z))


def _stored(medium: Medium, frames: Iterable[Tensor], count: int) -> Tensor:
    """Return samples (count, T, ...) as they are stored, on the CPU, of T frames."""
    return torch.stack([medium.store(medium.check(frame, count)).cpu() for frame in frames], dim=1)
