"""What a denoiser returns, and what becomes of it before a sampler takes its step: clamped, then guided.

The order matters. A network's estimate of x_0 leaves the range of images at early times, where noise is nearly all that
it sees; a classifier's guidance is large there too. guided-diffusion clamps the estimate first and never what guidance
adds to it; clamped afterwards, nearly all of the guidance would be lost.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from genbench.diffusion.processes import Process

_FRACTION = 0.995
"""Of the pixels that dynamic thresholding leaves within the bounds."""

Clamp = Literal["none", "static", "dynamic"]
"""What is done to estimates of x_0 that leave the bounds of samples: nothing, as in score SDEs, DDIM's code and EDM;
they are clamped, as in Ho's and OpenAI's code; or thresholded dynamically (Saharia et al. 2022, section 2.3), each
sample scaled so that 99.5 % of its values are within."""


def at_time(t: Tensor, x: Tensor) -> Tensor:
    """Return time t, a scalar, for each of the samples x (B, ...)."""
    # Filled in, not copied: a copy from the CPU would wait until a GPU has done all that it was asked before.
    return torch.full((len(x),), float(t), dtype=x.dtype, device=x.device)


class Estimate(NamedTuple):
    """A denoiser's output.

    Attributes:
        x_0: the expected sample, (B, ...).
        variance_fraction: position of a learned log variance between its bounds, in [0, 1] (B, ...); None if the
            variance is not learned.
        gradient: of the log probability by which a classifier guides x_t, times its scale, (B, ...); None for no such
            guidance.
        bounds: the least and the largest value of a sample; None where there are none, as for latents.
    """

    x_0: Tensor
    variance_fraction: Tensor | None = None
    gradient: Tensor | None = None
    bounds: tuple[float, float] | None = None


Denoise = Callable[[Tensor, Tensor], Estimate]
"""A trained network, or an exact formula, at x_t (B, ...) and time t, a scalar."""


def clamping(denoise: Denoise, clamp: Clamp) -> Denoise:
    """Return a denoiser whose estimates of x_0 are clamped to their bounds.

    Raises:
        ValueError: there is no such way to clamp.
    """
    if clamp not in get_args(Clamp):
        raise ValueError(f"clamp must be {', '.join(get_args(Clamp))}, not {clamp!r}")

    def clamped(x: Tensor, t: Tensor) -> Estimate:
        estimate = denoise(x, t)
        if clamp == "none" or estimate.bounds is None:
            return estimate
        if clamp == "static":
            return estimate._replace(x_0=estimate.x_0.clamp(*estimate.bounds))
        return estimate._replace(x_0=threshold(estimate.x_0, estimate.bounds))

    return clamped


def settled(denoise: Denoise, process: Process, clamp: Clamp) -> Denoise:
    """Return a denoiser whose estimates are clamped, then moved by a classifier's guidance.

    The gradient is added to the score: by Tweedie's formula x_0 = (x_t + sigma^2 score) / alpha it moves x_0 by
    sigma^2 / alpha times itself (Dhariwal and Nichol 2021, algorithm 2).

    Raises:
        ValueError: there is no such way to clamp.
    """
    clamped = clamping(denoise, clamp)

    def guided(x: Tensor, t: Tensor) -> Estimate:
        estimate = clamped(x, t)
        if estimate.gradient is None:
            return estimate
        reach = process.sigma(t).square() / process.alpha(t)
        return estimate._replace(x_0=estimate.x_0 + reach * estimate.gradient, gradient=None)

    return guided


def threshold(x_0: Tensor, bounds: tuple[float, float]) -> Tensor:
    """Return estimates (B, ...) thresholded dynamically: clamped to where 99.5 % of a sample's values lie, and scaled.

    A sample that is within the bounds stays as it is.
    """
    low, high = bounds
    centre, half = (low + high) / 2, (high - low) / 2
    from_centre = x_0 - centre
    reach = from_centre.abs().flatten(1).float().quantile(_FRACTION, dim=1).clamp_min(half).to(x_0)
    reach = reach.view(-1, *[1] * (x_0.ndim - 1))
    return centre + from_centre.clamp(-reach, reach) * (half / reach)
