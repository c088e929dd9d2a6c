"""Likelihoods against torch.distributions, a direct simulation of the chain and densities in closed form."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from genbench.diffusion.estimates import Denoise, Estimate
from genbench.diffusion.likelihood import (
    LEVEL,
    bound_terms,
    density_bits_per_dim,
    dequantise,
    flow_log_likelihood,
    gaussian_kl,
    gaussian_level,
    logistic_level,
    prior_term,
)
from genbench.diffusion.processes import (
    DiscreteProcess,
    Process,
    SubVariancePreserving,
    VarianceExploding,
    VariancePreserving,
)

MEAN, SPREAD = 0.2, 0.4
LEVELS = torch.arange(256, dtype=torch.float64) * LEVEL - 1


def gaussian_denoiser(process: Process, mean: Tensor, covariance: Tensor) -> Denoise:
    """Return E[x_0 | x_t] of x_0 ~ N(mean, covariance), vectors (B, D)."""

    def denoise(x: Tensor, t: Tensor) -> Estimate:
        alpha, sigma = process.alpha(t), process.sigma(t)
        gain = alpha * covariance @ torch.linalg.inv(alpha**2 * covariance + sigma**2 * torch.eye(len(mean)).to(x))
        return Estimate(mean + (x - alpha * mean) @ gain.T)

    return denoise


def drawing(*shape: int) -> Callable[[], Tensor]:
    generator = torch.Generator().manual_seed(0)
    return lambda: torch.randn(*shape, dtype=torch.float64, generator=generator)


def test_divergence_of_gaussians_is_torchs() -> None:
    torch.manual_seed(0)
    mean_1, mean_2, log_1, log_2 = torch.randn(4, 50, dtype=torch.float64)
    expected = kl_divergence(Normal(mean_1, (log_1 / 2).exp()), Normal(mean_2, (log_2 / 2).exp()))
    torch.testing.assert_close(gaussian_kl(mean_1, log_1, mean_2, log_2), expected)


@pytest.mark.parametrize("level", [gaussian_level, logistic_level])
@pytest.mark.parametrize("mean", [-1.3, -0.9, 0.1, 1.0])
@pytest.mark.parametrize("scale", [0.002, 0.05, 2.0])
def test_the_levels_probabilities_add_up_to_one(level: Callable[..., Tensor], mean: float, scale: float) -> None:
    log_scale = math.log(scale) * (2 if level is gaussian_level else 1)
    found = level(LEVELS, torch.tensor(mean).double(), torch.tensor(log_scale).double())
    assert found.exp().sum().item() == pytest.approx(1, abs=1e-9)


def test_a_level_has_what_lies_around_it_also_in_float32_and_far_off() -> None:
    normal = Normal(torch.tensor(0.1).double(), torch.tensor(0.2).double())
    inner = LEVELS[1:-1]
    expected = (normal.cdf(inner + LEVEL / 2) - normal.cdf(inner - LEVEL / 2)).log()
    log_variance = torch.tensor(2 * math.log(0.2))
    found = gaussian_level(inner.float(), torch.tensor(0.1), log_variance)
    near = (inner - 0.1).abs() < 0.8
    torch.testing.assert_close(found.double()[near], expected[near], atol=1e-3, rtol=1e-3)
    assert gaussian_level(inner.float(), torch.tensor(9.0), log_variance).isfinite().all()
    assert logistic_level(LEVELS.float(), torch.tensor(-0.9), torch.tensor(-7.0)).isfinite().all()


@pytest.mark.parametrize(("steps", "schedule"), [(4, "cosine"), (30, "cosine"), (50, "linear")])
@pytest.mark.parametrize("share", [None, 0.0, 0.4, 1.0])
def test_the_terms_add_up_to_a_direct_computation(steps: int, schedule: str, share: float | None) -> None:
    """The bound is E_q[log q(x_1 ... x_T | x_0) - log p(x_0 ... x_T)], simulated forwards a step at a time."""
    chain = DiscreteProcess(schedule, steps)  # type: ignore[arg-type]
    count, draw = 40_000, drawing(40_000, 1)
    exact = gaussian_denoiser(chain, torch.tensor([MEAN]).double(), torch.tensor([[SPREAD**2]]).double())

    def denoise(x: Tensor, t: Tensor) -> Estimate:
        return Estimate(exact(x, t).x_0, None if share is None else torch.full_like(x, share))

    x_0 = torch.full((count, 1), LEVELS[180].item(), dtype=torch.float64)
    terms = bound_terms(denoise, chain, x_0, draw)
    assert terms.shape == (count, steps + 1)

    # By the formulas of a chain alone: betas, their products, Bayes' rule.
    betas, alpha_bars = chain.betas, (1 - chain.betas).cumprod(0)
    before = torch.cat([torch.ones(1).double(), alpha_bars[:-1]])
    posterior = betas * (1 - before) / (1 - alpha_bars)
    posterior[0] = posterior[1]
    total, x = torch.zeros(count, dtype=torch.float64), x_0
    for index in range(steps):
        beta, alpha_bar = betas[index], alpha_bars[index]
        x_t = (1 - beta).sqrt() * x + beta.sqrt() * draw()
        image = denoise(x_t, torch.tensor((index + 1) / steps).double()).x_0
        mean = before[index].sqrt() * beta / (1 - alpha_bar) * image
        mean = mean + (1 - beta).sqrt() * (1 - before[index]) / (1 - alpha_bar) * x_t
        deviation = (posterior[index] ** (1 - (share or 0)) * beta ** (share or 0)).sqrt()
        total += Normal((1 - beta).sqrt() * x, beta.sqrt()).log_prob(x_t)[:, 0]
        p = Normal(mean, deviation)
        if index:
            total -= p.log_prob(x)[:, 0]
        else:
            total -= (p.cdf(x + LEVEL / 2) - p.cdf(x - LEVEL / 2)).log()[:, 0]
        x = x_t
    total = (total - Normal(0.0, 1.0).log_prob(x)[:, 0]) / math.log(2)
    error = (total.std() + terms.sum(1).std()) / count**0.5
    assert terms.sum(1).mean().item() == pytest.approx(total.mean().item(), abs=5 * error.item())


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_first_step_has_the_second_ones_posterior_variance(schedule: str) -> None:
    """Under either fixed variance, as in the code of Ho et al.; from the second step on "step" is beta."""
    chain = DiscreteProcess(schedule, 50)  # type: ignore[arg-type]
    betas, alpha_bars = chain.betas, (1 - chain.betas).cumprod(0)
    second = betas[1] * (1 - alpha_bars[0]) / (1 - alpha_bars[1])
    x_0, mean = torch.full((1, 1), LEVELS[100].item()), LEVELS[100] + 0.01
    for variance in ("step", "posterior"):
        terms = bound_terms(
            lambda x, t: Estimate(torch.full_like(x, mean.item())),
            chain, x_0.double(), lambda: torch.zeros(1, 1).double(), variance=variance,  # type: ignore[arg-type]
        )  # fmt: skip
        # The posterior of the first step is certain of x_0, so its mean is what the denoiser says.
        expected = -gaussian_level(x_0.double(), mean, second.log()) / math.log(2)
        assert terms[0, 0].item() == pytest.approx(expected.item())
        posterior = betas[2] * (1 - alpha_bars[1]) / (1 - alpha_bars[2])
        log_variance = (betas[2] if variance == "step" else posterior).log()
        shift = alpha_bars[1].sqrt() * betas[2] / (1 - alpha_bars[2]) * (mean - x_0.double())
        kl = gaussian_kl(torch.zeros(()).double(), posterior.log(), shift, log_variance) / math.log(2)
        assert terms[0, 2].item() == pytest.approx(kl.item())


def test_the_bound_of_a_good_chain_is_near_the_entropy() -> None:
    """Nothing can be coded in fewer bits than its entropy, and an exact denoiser of many steps comes near it."""
    chain, draw = DiscreteProcess("cosine", 1000), drawing(1000, 1)
    x_0 = ((MEAN + SPREAD * draw()) / LEVEL).round().clamp(-127, 127) * LEVEL
    denoise = gaussian_denoiser(chain, torch.tensor([MEAN]).double(), torch.tensor([[SPREAD**2]]).double())
    truth = -(Normal(MEAN, SPREAD).log_prob(x_0).mean() / math.log(2) + math.log2(LEVEL)).item()
    found = {
        variance: bound_terms(denoise, chain, x_0, draw, variance=variance).sum(1).mean().item()
        for variance in ("step", "posterior")
    }
    # The first step's variance is smaller than a beta, which costs this data, wider than an image's, 0.1 bits.
    assert truth - 0.02 < found["step"] < truth + 0.2
    # The posterior's variance is right if x_0 is known, as of one image; of data as wide as these it is too small.
    assert found["posterior"] > found["step"]


def test_the_priors_term_is_a_divergence_summed_over_pixels() -> None:
    chain = DiscreteProcess("linear", 100)
    x_0 = torch.rand(3, 1, 4, 4).double()
    kl = kl_divergence(
        Normal((1 - chain.betas).prod().sqrt() * x_0, (1 - (1 - chain.betas).prod()).sqrt()), Normal(0.0, 1.0)
    )
    torch.testing.assert_close(prior_term(chain, x_0), kl.flatten(1).sum(1) / (16 * math.log(2)))


@pytest.mark.parametrize(
    "process",
    [VariancePreserving(), SubVariancePreserving(), VarianceExploding(0.01, 50.0), DiscreteProcess("linear", 1000)],
)
def test_the_flows_likelihood_of_a_gaussian_is_exact(process: Process) -> None:
    mean = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)
    mixing = torch.tensor([[0.5, 0.0, 0.0], [0.2, 0.3, 0.0], [-0.1, 0.2, 0.4]], dtype=torch.float64)
    data = MultivariateNormal(mean, mixing @ mixing.T)
    x = mean + drawing(40, 3)() @ mixing.T
    denoise = gaussian_denoiser(process, mean, mixing @ mixing.T)
    first = 1e-5
    found = flow_log_likelihood(denoise, process, x, lambda: x, probes=None, first=first)
    # What the flow knows is the density a little later, and of noise that the prior takes for all there is.
    alpha, sigma = (value(torch.tensor(first).double()) for value in (process.alpha, process.sigma))
    later = MultivariateNormal(alpha * mean, alpha**2 * mixing @ mixing.T + sigma**2 * torch.eye(3).double())
    for expected, within in ((later, 1e-3), (data, 4e-3)):
        difference = density_bits_per_dim(found, 3) - density_bits_per_dim(expected.log_prob(x), 3)
        assert difference.mean().abs().item() < within


def test_hutchinsons_probes_have_the_divergence_as_their_mean() -> None:
    process = VariancePreserving()
    covariance = torch.tensor([[0.3, 0.25], [0.25, 0.4]], dtype=torch.float64)
    denoise = gaussian_denoiser(process, torch.zeros(2).double(), covariance)
    x = torch.tensor([[0.3, -0.4]], dtype=torch.float64).repeat(400, 1)
    generator = torch.Generator().manual_seed(1)

    def signs() -> Tensor:
        return torch.randint(0, 2, x.shape, generator=generator).double() * 2 - 1

    exact = flow_log_likelihood(denoise, process, x[:1], signs, probes=None)
    found = flow_log_likelihood(denoise, process, x, signs)
    assert found.std().item() > 0.1
    assert found.mean().item() == pytest.approx(exact.item(), abs=4 * found.std().item() / 20)
    assert flow_log_likelihood(denoise, process, x, signs, probes=4).std() < 0.7 * found.std()


def test_a_level_is_spread_evenly_around_itself() -> None:
    spread = dequantise(torch.tensor([0.5, 0.5]), torch.tensor([0.0, 0.75]))
    torch.testing.assert_close(spread, torch.tensor([0.5 - LEVEL / 2, 0.5 + LEVEL / 4]))
    # Images spread evenly over all levels take eight bits.
    assert density_bits_per_dim(torch.tensor([-math.log(256 * LEVEL)]), 1).item() == pytest.approx(8, abs=1e-6)
