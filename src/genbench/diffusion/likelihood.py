"""Likelihood of images: the variational bound of a chain, term by term, and the exact density of a flow.

    -log p(x_0) <= KL(q(x_T | x_0) || p(x_T))
                   + sum_{t > 1} KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) - log p(x_0 | x_1)

(Ho et al. 2020, equation 5). The unit is bits per dimension of images with 256 levels, `LEVEL` apart in [-1, 1].

Example:
    >>> bound_terms(denoise, chain, images, draw).sum(1)  # bits/dim of each image
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from scipy.integrate import solve_ivp
from torch import Tensor
from torch.nn.functional import logsigmoid

from genbench.diffusion.estimates import Denoise
from genbench.diffusion.processes import DiscreteProcess, Process
from genbench.diffusion.samplers import Draw, Transition, Variance, flow, transition

LEVEL = 2 / 255
"""Distance between neighbouring levels of a uint8 image in [-1, 1]."""


def bits_per_dim(nats: Tensor, dimensions: int) -> Tensor:
    """Convert nats per image to bits per dimension."""
    return nats / (dimensions * math.log(2))


def density_bits_per_dim(log_density: Tensor, dimensions: int) -> Tensor:
    """Return bits per dimension of images with 256 levels from the log density (B,) of the dequantised images.

    With uniform dequantisation over the `LEVEL` around each level, the mean log density and the level's width bound the
    log probability of the level from below (Theis et al. 2016, equation 5).
    """
    return -bits_per_dim(log_density, dimensions) - math.log2(LEVEL)


def dequantise(x: Tensor, uniform: Tensor) -> Tensor:
    """Dequantise images (B, ...) by uniform noise in [0, 1) of their shape."""
    return x + (uniform - 0.5) * LEVEL


def gaussian_kl(mean_1: Tensor, log_variance_1: Tensor, mean_2: Tensor, log_variance_2: Tensor) -> Tensor:
    """Return KL(N(mean_1, variance_1) || N(mean_2, variance_2)) of each element, in nats."""
    difference = log_variance_1 - log_variance_2
    return 0.5 * (difference.exp() - 1 - difference + (mean_1 - mean_2).square() * (-log_variance_2).exp())


def gaussian_level(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the log probability of each pixel's level under a Gaussian (Ho et al. 2020, equation 13).

    A level has the mass within half a `LEVEL` of it; black and white also have the tails.
    """
    deviation = (0.5 * log_variance).exp()
    above = torch.special.log_ndtr((x + LEVEL / 2 - mean) / deviation)
    below = torch.special.log_ndtr((x - LEVEL / 2 - mean) / deviation)
    # The mass above a level's lower edge, by symmetry: log_ndtr is precise in the lower tail only.
    beyond = torch.special.log_ndtr((mean - x + LEVEL / 2) / deviation)
    mirrored = torch.special.log_ndtr((mean - x - LEVEL / 2) / deviation)
    between = torch.where(x > mean, _log_difference(beyond, mirrored), _log_difference(above, below))
    return torch.where(x < -1 + LEVEL / 2, above, torch.where(x > 1 - LEVEL / 2, beyond, between))


def logistic_level(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Return the log probability of each pixel's level under a logistic distribution (Salimans et al. 2017, 2.1)."""
    upper, lower = (x + LEVEL / 2 - mean) / log_scale.exp(), (x - LEVEL / 2 - mean) / log_scale.exp()
    # sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - e^(l - u))
    between = logsigmoid(upper) + logsigmoid(-lower) + torch.log(-torch.expm1(lower - upper))
    edges = torch.where(x < -1 + LEVEL / 2, logsigmoid(upper), logsigmoid(-lower))
    return torch.where(x.abs() > 1 - LEVEL / 2, edges, between)


def reverse_log_variance(step: Transition, fraction: Tensor | None, variance: Variance, floor: Tensor) -> Tensor:
    """Return log variances of p(x_s | x_t): interpolated between the posterior's and the step's, or one of the two.

    Args:
        step: from t down to s.
        fraction: learned interpolation from the lower to the upper bound in log space, in [0, 1] (Nichol and Dhariwal
            2021, equation 15); None if the variance was not learned.
        variance: which of the two to use if none was learned.
        floor: replaces the posterior's variance where s = 0 and it vanishes: that of the second step. Unless the
            variance is learned, it also replaces the step's there, as in the code of Ho et al. 2020 ("fixedlarge").
    """
    low, high = step.variance.clamp_min(floor).log(), step.step_variance.log()
    if fraction is None:
        return torch.where(step.variance > 0, high, low) if variance == "step" else low
    return fraction * (high - low) + low


def chain_term(
    chain: DiscreteProcess,
    x_0: Tensor,
    x_t: Tensor,
    t: Tensor,
    image: Tensor,
    fraction: Tensor | None,
    variance: Variance = "posterior",
) -> Tensor:
    """Return the bound's terms (B,) of steps t, in bits per dimension: a KL, or -log p(x_0 | x_1) for the first step.

    Args:
        chain: the process.
        x_0: images (B, ...).
        x_t: the noisy images, (B, ...).
        t: times (B,).
        image: the denoiser's estimate of x_0, (B, ...).
        fraction: see `reverse_log_variance`.
        variance: see `reverse_log_variance`.
    """
    t = t.double().view(-1, *[1] * (x_0.ndim - 1))
    step = transition(chain, t, (t - 1 / chain.steps).clamp_min(0))
    second = torch.full_like(t, 2 / chain.steps)
    floor = transition(chain, second, second / 2).variance if chain.steps > 1 else step.step_variance
    step, floor = step.like(x_t), floor.to(x_t)
    log_variance = reverse_log_variance(step, fraction, variance, floor)
    mean = step.mean(image, x_t)
    kl = gaussian_kl(step.mean(x_0, x_t), step.variance.clamp_min(floor).log(), mean, log_variance)
    decoded = -gaussian_level(x_0, mean, log_variance.expand_as(x_0))
    # Both are computed for all rows, since a batch mixes times; the unused one is finite too.
    nats = torch.where(t * chain.steps < 1.5, decoded, kl).flatten(1).sum(1)
    return bits_per_dim(nats, x_0[0].numel())


def prior_term(process: Process, x_0: Tensor) -> Tensor:
    """Return KL(q(x_1 | x_0) || N(0, prior_std^2)) (B,) in bits per dimension."""
    end = torch.ones((), dtype=torch.float64)
    log_variance = process.sigma(end).square().log().to(x_0)
    prior = torch.full((), 2 * math.log(process.prior_std)).to(x_0)
    kl = gaussian_kl(process.alpha(end).to(x_0) * x_0, log_variance, torch.zeros_like(x_0), prior)
    return bits_per_dim(kl.flatten(1).sum(1), x_0[0].numel())


def bound_terms(
    denoise: Denoise, chain: DiscreteProcess, x_0: Tensor, draw: Draw, *, variance: Variance = "posterior"
) -> Tensor:
    """Return the bound's terms (B, T + 1) in bits per dimension; the sum over a row is the bound of that image.

    Column t - 1 holds the term of step t, the last column that of the prior. It takes T network calls.

    Args:
        denoise: see `samplers`.
        chain: the process of T steps.
        x_0: images (B, ...) of 256 levels.
        draw: see `samplers`.
        variance: of p, unless the denoiser predicts it.
    """
    terms = []
    for step in range(1, chain.steps + 1):
        t = torch.full((len(x_0),), step / chain.steps, dtype=torch.float64, device=x_0.device)
        x_t = chain.diffuse(x_0, t.to(x_0), draw())
        estimate = denoise(x_t, t[0])
        terms.append(chain_term(chain, x_0, x_t, t, estimate.x_0, estimate.variance_fraction, variance))
    return torch.stack([*terms, prior_term(chain, x_0)], dim=1)


def flow_log_likelihood(
    denoise: Denoise,
    process: Process,
    x: Tensor,
    signs: Callable[[], Tensor],
    *,
    probes: int | None = 1,
    first: float = 1e-5,
    tolerance: float = 1e-5,
    method: str = "RK45",
) -> Tensor:
    """Return the log density (B,), in nats, of images under the probability flow (Song et al. 2021, equation 39).

        log p_0(x_0) = log p_1(x_1) + int_0^1 div(dx / dt) dt

    Args:
        denoise: see `samplers`; must be differentiable.
        process: the one that the denoiser was trained for.
        x: dequantised images (B, ...).
        signs: draws random signs (-1 or 1 with equal probability) of x's shape, for Hutchinson's estimate of the
            divergence.
        probes: how many such draws are averaged, each fixed along the flow; None computes the divergence exactly, by
            as many derivatives as an image has dimensions.
        first: time assigned to the images; at 0 the score is infinite.
        tolerance: of a step, relative and absolute.
        method: of `scipy.integrate.solve_ivp`.

    Raises:
        RuntimeError: the solver failed.
    """
    directions = _unit_vectors(x) if probes is None else [signs() for _ in range(probes)]
    weight = 1.0 if probes is None else 1 / probes
    size = x.numel()

    def slope(t: float, state: Any) -> Any:
        time = torch.tensor(t, dtype=torch.float64, device=x.device)
        with torch.enable_grad():
            x_t = torch.as_tensor(state[:size]).view(x.shape).to(x).requires_grad_()
            drift = flow(denoise, process, x_t, time)
            divergence = torch.zeros(len(x), device=x.device, dtype=x.dtype)
            for direction in directions:
                (along,) = torch.autograd.grad(drift, x_t, direction, retain_graph=True)
                divergence = divergence + weight * (along * direction).flatten(1).sum(1)
        return torch.cat([drift.detach().double().flatten(), divergence.double()]).cpu().numpy()

    begin = torch.cat([x.double().flatten(), torch.zeros(len(x), dtype=torch.float64, device=x.device)]).cpu().numpy()
    solved = solve_ivp(slope, (first, 1.0), begin, method=method, rtol=tolerance, atol=tolerance)
    if not solved.success:
        raise RuntimeError(f"the probability flow can't be solved: {solved.message}")
    end = torch.from_numpy(solved.y[:, -1])
    x_1 = end[:size].view(len(x), -1)
    prior = -0.5 * (x_1 / process.prior_std).square().sum(1)
    prior = prior - x_1.shape[1] * (0.5 * math.log(2 * math.pi) + math.log(process.prior_std))
    return (prior + end[size:]).to(x)


def _log_difference(larger: Tensor, smaller: Tensor) -> Tensor:
    """Return log(e^larger - e^smaller); a difference that rounds to 0 is clamped, so that the result is finite."""
    return larger + torch.log((-torch.expm1(smaller - larger)).clamp_min(1e-30))


def _unit_vectors(x: Tensor) -> list[Tensor]:
    vectors = []
    for index in range(x[0].numel()):
        vector = torch.zeros_like(x).flatten(1)
        vector[:, index] = 1
        vectors.append(vector.view(x.shape))
    return vectors
