"""Solvers of the probability flow ODE (Song et al. 2021; Karras et al. 2022; Lu et al. 2022)."""

from itertools import pairwise
from typing import NamedTuple

import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from genbench.diffusion.estimates import Clamp, Denoise, settled
from genbench.diffusion.processes import Process, Spacing
from genbench.diffusion.samplers.base import Draw, flow


def heun(
    denoise: Denoise,
    process: Process,
    x: Tensor,
    draw: Draw,
    *,
    steps: int = 18,
    spacing: Spacing = "karras",
    clamp: Clamp = "none",
) -> Tensor:
    """Heun's second-order method for the probability flow (Karras et al. 2022, https://arxiv.org/abs/2206.00364).

    In y = x / alpha and r = sigma / alpha the flow of every process is dy / dr = (y - x_0) / r: their algorithm 1.

    Args:
        denoise: see above.
        process: that the denoiser was trained for.
        x: x_1, (B, ...).
        draw: not used.
        steps: network calls are twice as many, less one.
        spacing: of the times.
        clamp: of the estimates.
    """
    denoise = settled(denoise, process, clamp)
    times = process.times(steps, spacing)
    alphas, ratios = process.alpha(times), process.sigma(times) / process.alpha(times)
    y = x / alphas[0]
    for now, then in pairwise(map(Level, ratios, alphas, times)):
        y = heun_step(denoise, y, now, then)
    return denoise(y * alphas[-1], times[-1]).x_0


class Level(NamedTuple):
    """A noise level: r = sigma / alpha, alpha and the time, scalars."""

    r: Tensor
    alpha: Tensor
    t: Tensor


def heun_step(denoise: Denoise, y: Tensor, now: Level, then: Level) -> Tensor:
    """Return y at the next noise level by Heun's method: the mean of the slopes at both ends of Euler's step."""
    slope = (y - denoise(y * now.alpha, now.t).x_0) / now.r
    ahead = y + (then.r - now.r) * slope
    slope_ahead = (ahead - denoise(ahead * then.alpha, then.t).x_0) / then.r
    return y + (then.r - now.r) * (slope + slope_ahead) / 2


def dpm_solver(
    denoise: Denoise,
    process: Process,
    x: Tensor,
    draw: Draw,
    *,
    steps: int = 20,
    spacing: Spacing = "log_snr",
    clamp: Clamp = "static",
) -> Tensor:
    """DPM-Solver++(2M): second order, one call a step (Lu et al. 2022, https://arxiv.org/abs/2211.01095, algorithm 2).

    Args:
        denoise: see above.
        process: that the denoiser was trained for.
        x: x_1, (B, ...).
        draw: not used.
        steps: network calls.
        spacing: of the times.
        clamp: of the estimates.
    """
    denoise = settled(denoise, process, clamp)
    times = process.times(steps, spacing)
    half_log_snr = process.log_snr(times) / 2
    before: Tensor | None = None
    for index, (t, s) in enumerate(pairwise(times)):
        x_0 = denoise(x, t).x_0
        h = half_log_snr[index + 1] - half_log_snr[index]
        extrapolated = x_0
        if before is not None:
            r = (half_log_snr[index] - half_log_snr[index - 1]) / h
            extrapolated = x_0 + (x_0 - before) / (2 * r)
        x = (process.sigma(s) / process.sigma(t)) * x - (process.alpha(s) * torch.expm1(-h)) * extrapolated
        before = x_0
    return denoise(x, times[-1]).x_0


def probability_flow(
    denoise: Denoise,
    process: Process,
    x: Tensor,
    draw: Draw,
    *,
    tolerance: float = 1e-5,
    method: str = "RK45",
    clamp: Clamp = "none",
) -> Tensor:
    """Solve the probability flow ODE by SciPy's adaptive solver (Song et al. 2021, section 4.3 and appendix D.4).

    Args:
        denoise: see above.
        process: that the denoiser was trained for.
        x: x_1, (B, ...).
        draw: not used.
        tolerance: of a step, relative and absolute; it determines the number of network calls.
        method: of `scipy.integrate.solve_ivp`.
        clamp: of the estimates.
    """
    denoise = settled(denoise, process, clamp)

    def slope(t: float, flat: object) -> object:
        x_t = torch.as_tensor(flat).view(x.shape).to(x)
        time = torch.tensor(t, dtype=torch.float64)
        return flow(denoise, process, x_t, time).double().flatten().cpu().numpy()

    span = (1.0, process.first)
    begin = x.double().flatten().cpu().numpy()
    solved = solve_ivp(slope, span, begin, method=method, rtol=tolerance, atol=tolerance)
    if not solved.success:
        raise RuntimeError(f"the probability flow can't be solved: {solved.message}")
    end = torch.from_numpy(solved.y[:, -1]).view(x.shape).to(x)
    return denoise(end, torch.tensor(process.first, dtype=torch.float64)).x_0
