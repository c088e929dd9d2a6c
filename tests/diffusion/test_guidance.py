"""Guidance by the exact classifier of a mixture leads to the class that is asked for, and to its own law."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.diffusion.estimates import Estimate, settled
from genbench.diffusion.guidance import classifier_guided, guided_by, guided_by_estimate
from genbench.diffusion.processes import DiscreteProcess, Process, VarianceExploding, VariancePreserving
from genbench.diffusion.samplers import Variance, ancestral, ddim, heun
from tests.diffusion.test_samplers import MEANS, SPREAD, WEIGHTS, begin, exact

LABELS = torch.zeros(4, dtype=torch.long)


def exact_logits(log_odds: Tensor) -> Tensor:
    """Return logits (B, 2) of two classes with these log odds (B,)."""
    return torch.stack([log_odds, torch.zeros_like(log_odds)], dim=1)


@pytest.mark.parametrize(
    ("process", "sampler"),
    [(VariancePreserving(), heun), (VarianceExploding(0.01, 10.0), heun), (DiscreteProcess("linear", 500), ancestral)],
)
@pytest.mark.parametrize("label", [0, 2])
def test_the_exact_classifier_leads_to_one_gaussian_of_the_mixture(
    process: Process, sampler: object, label: int
) -> None:
    def classify(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = process.alpha(t)[:, None, None], process.sigma(t)[:, None, None]
        variance = (alpha * SPREAD).square() + sigma.square()
        squares = (x[:, None] - alpha * MEANS).square().sum(-1)
        return WEIGHTS.log() - squares / (2 * variance[..., 0])

    x_1, draw = begin(process, 2000)
    led = classifier_guided(exact(process), classify, torch.full((2000,), label), 1.0)
    steps = {"steps": 60} if sampler is heun else {}
    x_0 = sampler(led, process, x_1, draw, **steps)  # type: ignore[operator]
    assert x_0.mean(0).tolist() == pytest.approx(MEANS[label].tolist(), abs=0.02)
    torch.testing.assert_close(x_0.T.cov(), SPREAD**2 * torch.eye(2).double(), atol=0.0025, rtol=0)


@pytest.mark.parametrize("sampler", [ancestral, partial(ddim, steps=500), partial(ddim, steps=500, eta=1.0)])
@pytest.mark.parametrize("spread", [0.5, 2.0])
def test_a_measurement_leads_from_the_prior_to_the_posterior(sampler: Any, spread: float) -> None:
    # Of x_0 ~ N(0, 1) one has measured y = x_0 + spread * noise.
    process, y = DiscreteProcess("cosine", 500), 1.2

    def prior(x: Tensor, t: Tensor) -> Estimate:
        return Estimate(process.alpha(t) * x)

    def log_probability(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = process.alpha(t)[:, None], process.sigma(t)[:, None]
        return -((y - alpha * x).square() / (2 * (sigma.square() + spread**2))).sum(1)

    x_1, draw = begin(process, 5000)
    x_0 = sampler(guided_by(prior, log_probability, 1.0), process, x_1, draw)
    assert x_0.mean(0).tolist() == pytest.approx([y / (1 + spread**2)] * 2, abs=0.04)
    assert x_0.var(0).tolist() == pytest.approx([spread**2 / (1 + spread**2)] * 2, rel=0.07)


def test_guidance_moves_the_score_by_the_slope_times_its_scale() -> None:
    process, x, t = VariancePreserving(), torch.randn(4, 3).double(), torch.tensor(0.4).double()
    estimate = Estimate(torch.zeros(4, 3).double(), torch.full((4, 3), 0.3).double())
    # The odds of the first class are e^(2 sum x): their gradient is known.
    odds = classifier_guided(lambda x, t: estimate, lambda x, t: exact_logits(2 * x.sum(1)), LABELS, 5.0)
    alpha, sigma = process.alpha(t), process.sigma(t)
    with torch.no_grad():
        found = settled(odds, process, "static")(x, t)
    expected = 5 * 2 * (1 - (2 * x.sum(1)).sigmoid())[:, None].expand(4, 3)
    torch.testing.assert_close((alpha * found.x_0 - x) / sigma**2, -x / sigma**2 + expected)
    assert found.variance_fraction is estimate.variance_fraction


def test_what_guidance_adds_is_not_clamped() -> None:
    process, t = DiscreteProcess("linear", 1000), torch.tensor(1.0, dtype=torch.float64)
    estimate = Estimate(torch.full((4, 3), 3.0), bounds=(-1.0, 1.0))
    guided = classifier_guided(lambda x, t: estimate, lambda x, t: exact_logits(x.sum(1)), LABELS, 1.0)
    found = settled(guided, process, "static")(torch.zeros(4, 3), t)
    # At the first step a gradient of 1/2 moves x_0 by sigma^2 / (2 alpha), some 78.
    torch.testing.assert_close(found.x_0, torch.full((4, 3), 1 + float(process.sigma(t) ** 2 / process.alpha(t)) / 2))


@pytest.mark.parametrize("variance", ["posterior", "step"])
def test_ancestral_steps_move_by_the_variance_times_the_gradient(variance: Variance) -> None:
    # Algorithm 1 of the paper: x_{t-1} ~ N(mu + s Sigma grad, Sigma), where mu is of the clamped x_0.
    process = DiscreteProcess("cosine", 10)
    estimate = Estimate(torch.full((2, 3), 3.0).double(), bounds=(-1.0, 1.0))
    gradient = 0.7 * torch.ones(2, 3).double()

    def sample(guided: bool) -> Tensor:
        given = estimate._replace(gradient=gradient if guided else None)
        x = torch.linspace(-1, 1, 6).view(2, 3).double()
        return ancestral(lambda x, t: given, process, x, lambda: torch.zeros_like(x), variance=variance)

    # By the definitions of the chain: the moves of all steps, each shrunk by the steps that follow.
    betas = process.betas
    alpha_bar = (1 - betas).cumprod(0)
    before = torch.cat([torch.ones(1).double(), alpha_bar[:-1]])
    posterior_variance = betas * (1 - before) / (1 - alpha_bar)
    spread = torch.cat([posterior_variance[1:2], betas[1:]]) if variance == "step" else posterior_variance
    move = torch.zeros(2, 3).double()
    for index in range(9, -1, -1):
        kept = (1 - betas[index]).sqrt() * (1 - before[index]) / (1 - alpha_bar[index])
        move = kept * move + spread[index] * gradient
    torch.testing.assert_close(sample(guided=True) - sample(guided=False), move)


def test_guidance_through_the_estimate_goes_through_the_denoiser() -> None:
    # Of x_0 ~ N(0, 1) the estimate is alpha x_t, so the gradient of a log probability of x_0 is alpha times its own.
    process, y = DiscreteProcess("cosine", 100), 0.7

    def prior(x: Tensor, t: Tensor) -> Estimate:
        return Estimate(process.alpha(t) * x)

    def log_probability(x_0: Tensor) -> Tensor:
        return -(x_0 - y).square().sum(1) / 2

    x, t = torch.randn(5, 3, dtype=torch.float64), torch.tensor(0.4, dtype=torch.float64)
    alpha = process.alpha(t)
    for scale in (1.0, 3.0, -1.0):
        estimate = guided_by_estimate(prior, log_probability, scale)(x, t)
        assert estimate.gradient is not None
        torch.testing.assert_close(estimate.gradient, scale * alpha * (y - alpha * x))
        assert not estimate.x_0.requires_grad
    assert guided_by_estimate(prior, log_probability, 0.0) is prior
    # Each sample's is its own, whatever else is in the batch.
    alone = guided_by_estimate(prior, log_probability, 1.0)(x[:1], t).gradient
    torch.testing.assert_close(alone, guided_by_estimate(prior, log_probability, 1.0)(x, t).gradient[:1])  # type: ignore[index]


def test_guidance_through_the_estimate_leads_where_it_is_told() -> None:
    process = DiscreteProcess("cosine", 200)

    def prior(x: Tensor, t: Tensor) -> Estimate:
        return Estimate(process.alpha(t) * x)

    means = []
    for sign in (-1.0, 0.0, 1.0):
        x_1, draw = begin(process, 2000)
        led = guided_by_estimate(prior, lambda x_0, sign=sign: sign * x_0.sum(1), 1.0)  # type: ignore[misc]
        means.append(ancestral(led, process, x_1, draw).mean())
    assert means[0] < -0.5 < means[1] < 0.5 < means[2]
