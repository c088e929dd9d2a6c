"""Samplers of a chain: ancestral sampling (Ho et al. 2020) and DDIM (Song et al. 2020)."""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from genbench.diffusion.estimates import Clamp, Denoise, Estimate, clamping, settled
from genbench.diffusion.parameterisation import from_x_0
from genbench.diffusion.processes import DiscreteProcess, Process, Spacing
from genbench.diffusion.samplers.base import Draw, transition

Variance = Literal["posterior", "step"]
End = Literal["image", "first_step"]


def ancestral(
    denoise: Denoise,
    process: Process,
    x: Tensor,
    draw: Draw,
    *,
    steps: int | None = None,
    variance: Variance = "posterior",
    spacing: Spacing = "uniform",
    clamp: Clamp = "static",
) -> Tensor:
    """Algorithm 2 of Ho et al. (2020): draw x_s from q(x_s | x_t, x_0) with the denoiser's x_0.

    Args:
        denoise: see above; if it predicts a variance, that is used.
        process: that the denoiser was trained for.
        x: x_1, (B, ...).
        draw: see above.
        steps: network calls; None for all T of a discrete process, and 1,000 of a continuous one.
        variance: of a step, unless learned: "posterior", or "step" for that of q(x_t | x_s), its upper bound.
        spacing: of the times.
        clamp: of the estimates.
    """
    denoise = clamping(denoise, clamp)
    if steps is None:
        steps = process.steps if isinstance(process, DiscreteProcess) else 1000
    times = process.times(steps, spacing)
    floor = torch.zeros((), dtype=torch.float64)
    for t, s in pairwise(times):
        estimate = denoise(x, t)
        step = transition(process, t, s)
        spread = _spread(estimate, variance, step.variance, step.step_variance)
        x = _guided(step.mean(estimate.x_0, x), estimate, spread) + spread.sqrt() * draw()
        floor = step.variance
    estimate = denoise(x, times[-1])
    if estimate.gradient is None:
        return estimate.x_0
    # The last step adds no noise; a learned variance of it is between that of the one before it and that of x.
    last = process.sigma(times[-1]).square()
    if estimate.variance_fraction is not None:
        return _guided(estimate.x_0, estimate, _spread(estimate, variance, floor if floor > 0 else last, last))
    return _guided(estimate.x_0, estimate, floor if variance == "step" else 0 * floor)


def _spread(estimate: Estimate, variance: Variance, low: Tensor, high: Tensor) -> Tensor:
    """Return the variance of a step: the learned one between its bounds, or the one that was chosen."""
    if estimate.variance_fraction is None:
        return high if variance == "step" else low
    return (estimate.variance_fraction * (high.log() - low.log()) + low.log()).exp()


def _guided(mean: Tensor, estimate: Estimate, variance: Tensor) -> Tensor:
    """Return the mean of a step moved by a classifier's guidance (Dhariwal and Nichol 2021, algorithm 1)."""
    return mean if estimate.gradient is None else mean + variance * estimate.gradient


def ddim(
    denoise: Denoise,
    process: Process,
    x: Tensor,
    draw: Draw,
    *,
    steps: int = 50,
    eta: float = 0.0,
    spacing: Spacing = "uniform",
    clamp: Clamp = "static",
    end: End = "image",
) -> Tensor:
    """Song et al. 2020 (https://arxiv.org/abs/2010.02502), equation 12, on any sub-sequence of the times.

    Args:
        denoise: see above.
        process: that the denoiser was trained for.
        x: x_1, (B, ...).
        draw: see above.
        steps: network calls.
        eta: 0 adds no noise; 1 adds the posterior's variance, as `ancestral` does.
        spacing: of the times.
        clamp: of the estimates.
        end: "image", the last estimate of x_0; or "first_step", that of x at the first step of a chain, as in latent
            diffusion's code, whose little noise the first stage decodes.
    """
    denoise = settled(denoise, process, clamp)
    times = process.times(steps, spacing)
    if end == "first_step":
        times = torch.cat([times, torch.tensor([process.first], dtype=times.dtype)])
    for t, s in pairwise(times):
        x_0 = denoise(x, t).x_0
        eps = from_x_0("eps", x_0, x, process.alpha(t), process.sigma(t))
        variance = eta**2 * transition(process, t, s).variance
        deterministic = (process.sigma(s).square() - variance).clamp_min(0).sqrt()
        x = process.alpha(s) * x_0 + deterministic * eps
        if eta:
            x = x + variance.sqrt() * draw()
    return x if end == "first_step" else denoise(x, times[-1]).x_0


def ddim_encode(denoise: Denoise, process: Process, x_0: Tensor, *, steps: int, spacing: Spacing = "uniform") -> Tensor:
    """Return the x_1 from which `ddim` with eta 0 returns x_0, up to an error that falls with the number of steps.

    Song et al. 2020, section 4.3: the same update in the other direction.
    """
    times = process.times(steps, spacing).flip(0)
    # The noise at the first time is unknown: begin with the scaled image, without noise.
    x = process.alpha(times[0]) * x_0
    for t, s in pairwise(times):
        image = denoise(x, t).x_0
        eps = from_x_0("eps", image, x, process.alpha(t), process.sigma(t))
        x = process.alpha(s) * image + process.sigma(s) * eps
    return x
