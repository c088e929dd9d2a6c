"""How much images change along a short step of their latents: what both perceptual path lengths are computed from."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from genbench.abilities import HasStyles
from genbench.conditions.base import Index
from genbench.interpolation import lerp, slerp
from genbench.randomness import CHUNK, Noise, chunks

EPSILON = 1e-4
"""Length of the step, as a fraction of the way between two latents."""

_LEFT_OUT = 0.01
"""Fraction of the lengths that is left out at either end, as in the authors' code."""

Distance = Callable[[Tensor, Tensor], Tensor]
"""Returns the distance of each image to another, (B,), of images (B, C, H, W) in [-1, 1]."""


def path_length(method: HasStyles, count: int, seed: int, distance: Distance, space: str) -> float:
    """Return the mean of d(G(w), G(w + eps (w' - w))) / eps^2 over random pairs (Karras et al. 2018, section 4.1).

    The step begins at the end of each path, as in StyleGAN2's figures: that of a point between is of a w that the
    generator has not seen. d is of second order in the step, like a squared distance.

    Args:
        method: draws images of styles.
        count: pairs.
        seed: of their latents.
        distance: d.
        space: "w", in which the way is a line; or "z", in which it is a great circle.
    """
    lengths = torch.cat([
        distance(one, other).double().cpu() / EPSILON**2 for one, other in _steps(method, space, count, seed)
    ])  # fmt: skip
    low, high = torch.quantile(lengths, torch.tensor([_LEFT_OUT, 1 - _LEFT_OUT], dtype=torch.float64))
    return float(lengths[(lengths >= low) & (lengths <= high)].mean())


@torch.no_grad()
def _steps(method: HasStyles, space: str, count: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of images at the ends of paths, and a step further."""
    t = torch.tensor([EPSILON])
    for chunk, size in chunks(count):
        noise = Noise(seed, chunk)
        start, end = (noise.normal(CHUNK, method.latent_dim).to(method.device) for _ in range(2))
        rows = None if method.condition is None else _shown(method, noise)
        if space == "z":
            w, further = (method.styles(z, rows) for z in (start, slerp(start, end, t)[:, 0]))
        else:
            w, other = (method.styles(z, rows) for z in (start, end))
            further = lerp(w.flatten(1), other.flatten(1), t)[:, 0].view_as(w)
        yield method.synthesise(w[:size]), method.synthesise(further[:size])


def _shown(method: HasStyles, noise: Noise) -> Tensor:
    """Return random classes (CHUNK,) of a method that is conditioned on them.

    Raises:
        ValueError: it is conditioned on something else.
    """
    assert method.condition is not None
    form = method.condition.form
    if not isinstance(form, Index):
        raise ValueError("it takes a method that is unconditional or conditioned on classes")
    return (noise.uniform(CHUNK) * form.size).long().to(method.device)
