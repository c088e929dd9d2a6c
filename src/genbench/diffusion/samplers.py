"""Samplers: plain functions of a denoiser, a process and the initial noise.

    denoise(x_t, t) -> Estimate      the estimate of a trained network, or an exact formula, for x_t at time t

Each steps down a grid of times from 1 to `process.first` and returns the denoiser's image there. What `clamp` does to
the estimates is said in `estimates`. Times and the coefficients derived from them are double-precision scalars on the
CPU, which torch combines with images on any device. `draw()` returns fresh standard normal noise of x's shape. A
network's eps, v or score is converted to x_0 by `parameterisation`, so every sampler works with every parameterisation.

Example:
    >>> x_1 = process.prior_std * torch.randn(64, 1, 32, 32)
    >>> images = ddim(denoise, process, x_1, draw, steps=50)
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from genbench.diffusion.estimates import Clamp, Denoise, Estimate, clamping, settled
from genbench.diffusion.parameterisation import from_x_0
from genbench.diffusion.processes import DiscreteProcess, Process, Spacing

Draw = Callable[[], Tensor]
Variance = Literal["posterior", "step"]
Predictor = Literal["reverse_diffusion", "euler_maruyama"]
LangevinAlpha = Literal["step", "cumulative"]
Order = Literal["corrector_first", "predictor_first"]


class Transition(NamedTuple):
    """q(x_s | x_t, x_0) = N(a x_0 + b x_t, variance), s < t, and the variance of q(x_t | x_s); all shaped like t."""

    a: Tensor
    b: Tensor
    variance: Tensor
    step_variance: Tensor

    def like(self, x: Tensor) -> "Transition":
        """Return the same with x's dtype and on its device."""
        return Transition(*(value.to(x) for value in self))

    def mean(self, x_0: Tensor, x_t: Tensor) -> Tensor:
        """Return the mean of x_s."""
        return self.a * x_0 + self.b * x_t


def transition(process: Process, t: Tensor, s: Tensor) -> Transition:
    """Return the posterior transition from time t down to s (Ho et al. 2020, equation 7; Kingma et al. 2021, A)."""
    alpha_t, alpha_s = process.alpha(t), process.alpha(s)
    variance_t, variance_s = process.sigma(t).square(), process.sigma(s).square()
    ratio = alpha_t / alpha_s
    step_variance = variance_t - ratio.square() * variance_s
    return Transition(
        alpha_s * step_variance / variance_t,
        ratio * variance_s / variance_t,
        step_variance * variance_s / variance_t,
        step_variance,
    )


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
    # Of the last step, which adds no noise.
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
    last = process.sigma(times[-1]).square()
    if estimate.variance_fraction is None:
        return _guided(estimate.x_0, estimate, floor if variance == "step" else 0 * floor)
    return _guided(estimate.x_0, estimate, _spread(estimate, variance, floor, last))


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
    """
    denoise = settled(denoise, process, clamp)
    times = process.times(steps, spacing)
    for t, s in pairwise(times):
        x_0 = denoise(x, t).x_0
        eps = from_x_0("eps", x_0, x, process.alpha(t), process.sigma(t))
        variance = eta**2 * transition(process, t, s).variance
        deterministic = (process.sigma(s).square() - variance).clamp_min(0).sqrt()
        x = process.alpha(s) * x_0 + deterministic * eps
        if eta:
            x = x + variance.sqrt() * draw()
    return denoise(x, times[-1]).x_0


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
    for index in range(len(times) - 1):
        (r, r_next), alpha_next = ratios[index : index + 2], alphas[index + 1]
        slope = (y - denoise(y * alphas[index], times[index]).x_0) / r
        ahead = y + (r_next - r) * slope
        slope_ahead = (ahead - denoise(ahead * alpha_next, times[index + 1]).x_0) / r_next
        y = y + (r_next - r) * (slope + slope_ahead) / 2
    return denoise(y * alphas[-1], times[-1]).x_0


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


def predictor_corrector(
    denoise: Denoise,
    process: Process,
    x: Tensor,
    draw: Draw,
    *,
    steps: int = 1000,
    predictor: Predictor = "reverse_diffusion",
    corrections: int = 1,
    snr: float = 0.16,
    langevin_alpha: LangevinAlpha = "step",
    order: Order = "corrector_first",
    clamp: Clamp = "none",
) -> Tensor:
    """Reverse the SDE by a predictor, and correct by Langevin steps (Song et al. 2021, algorithms 1, 4 and 5).

    Args:
        denoise: see above.
        process: that the denoiser was trained for.
        x: x_1, (B, ...).
        draw: see above.
        steps: of the predictor; network calls are 1 + `corrections` times as many.
        predictor: "reverse_diffusion", which reverses a step of the chain of `Process.discretised`; or
            "euler_maruyama", of the SDE.
        corrections: Langevin steps at each time; 0 for the predictor alone.
        snr: signal-to-noise ratio of a Langevin step, which sets its size from the norms of noise and score.
        langevin_alpha: factor of that size: "step", the chain's alpha_i = 1 - beta_i, as in algorithm 5; or
            "cumulative", alpha_bar, as earlier versions had it, which all but stops the corrections at large t.
        order: "corrector_first", as in the authors' code, whose result is the last predictor's mean; or
            "predictor_first", as in algorithm 1, after which the result is the expected image.
        clamp: of the estimates.

    Raises:
        ValueError: there is no such choice, or there are too few steps.
    """
    for name, value, choices in (
        ("predictor", predictor, get_args(Predictor)),
        ("langevin_alpha", langevin_alpha, get_args(LangevinAlpha)),
        ("order", order, get_args(Order)),
    ):
        if value not in choices:
            raise ValueError(f"{name} must be {' or '.join(choices)}, not {value!r}")
    denoise = settled(denoise, process, clamp)

    def predicted(x: Tensor, t: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        slope = score(process, denoise(x, t).x_0, x, t)
        if predictor == "reverse_diffusion":
            a, variance = process.discretised(t, steps)
            return (2 - a) * x + variance * slope, variance.sqrt()
        g_squared = process.g_squared(t)
        return x - dt * (process.f(t) * x - g_squared * slope), (g_squared * dt).sqrt()

    def corrected(x: Tensor, t: Tensor) -> Tensor:
        for _ in range(corrections):
            slope, noise = score(process, denoise(x, t).x_0, x, t), draw()
            alpha = process.discretised(t, steps)[0] if langevin_alpha == "step" else process.alpha(t)
            # The mean over the batch, as in the authors' code: a separate size for each image would bias the result.
            # An untrained network may predict exactly nothing, for which the step would be infinite.
            least = _mean_norm(slope).clamp_min(1e-8)
            size = 2 * (snr * _mean_norm(noise) / least).square() * alpha.square()
            x = x + size * slope + (2 * size).sqrt() * noise
        return x

    times = process.times(steps, "uniform")
    if order == "predictor_first":
        for t, s in pairwise(times):
            mean, deviation = predicted(x, t, t - s)
            x = corrected(mean + deviation * draw(), s)
        return denoise(x, times[-1]).x_0
    for t in times:
        mean, deviation = predicted(corrected(x, t), t, torch.tensor(1 / steps))
        x = mean + deviation * draw()
    return mean


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


def flow(denoise: Denoise, process: Process, x: Tensor, t: Tensor) -> Tensor:
    """Return dx / dt = f x - g^2 / 2 score, the ODE with the same marginals as the SDE."""
    slope = score(process, denoise(x, t).x_0, x, t)
    return process.f(t) * x - process.g_squared(t) / 2 * slope


def score(process: Process, x_0: Tensor, x: Tensor, t: Tensor) -> Tensor:
    """Return grad log p_t(x) from a denoiser's x_0 (Tweedie's formula)."""
    return from_x_0("score", x_0, x, process.alpha(t), process.sigma(t))


def repaint(
    denoise: Denoise,
    process: Process,
    x: Tensor,
    draw: Draw,
    known: Tensor,
    mask: Tensor,
    *,
    steps: int = 250,
    resamplings: int = 10,
    clamp: Clamp = "static",
) -> Tensor:
    """RePaint: fill in the missing part of images (Lugmayr et al. 2022, https://arxiv.org/abs/2201.09865, algorithm 1).

    Args:
        denoise: see above.
        process: that the denoiser was trained for.
        x: x_1, (B, ...).
        draw: see above.
        known: images (B, ...); what is outside the mask is ignored.
        mask: 1 where they are known, 0 where they are to be filled in; broadcastable.
        steps: times.
        resamplings: how often each step is repeated, with noise added back in between, so that both parts agree.
        clamp: of the estimates.
    """
    denoise = settled(denoise, process, clamp)
    times = process.times(steps, "uniform")
    for t, s in pairwise(times):
        step = transition(process, t, s)
        for number in range(resamplings):
            filled = step.mean(denoise(x, t).x_0, x) + step.variance.sqrt() * draw()
            kept = process.alpha(s) * known + process.sigma(s) * draw()
            x = mask * kept + (1 - mask) * filled
            if number < resamplings - 1:
                x = (process.alpha(t) / process.alpha(s)) * x + step.step_variance.sqrt() * draw()
    return mask * known + (1 - mask) * denoise(x, times[-1]).x_0


def _mean_norm(x: Tensor) -> Tensor:
    return x.flatten(1).norm(dim=1).mean()
