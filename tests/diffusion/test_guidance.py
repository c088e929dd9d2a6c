"""Guidance by the exact classifier of a mixture leads to the class that is asked for, and to its own law."""

import pytest
import torch
from torch import Tensor

from genbench.diffusion.guidance import classifier_guided
from genbench.diffusion.processes import DiscreteProcess, Process, VarianceExploding, VariancePreserving
from genbench.diffusion.samplers import Estimate, ancestral, heun
from tests.diffusion.test_samplers import MEANS, SPREAD, WEIGHTS, begin, exact


@pytest.mark.parametrize(
    ("process", "sampler"),
    [(VariancePreserving(), heun), (VarianceExploding(0.01, 10.0), heun), (DiscreteProcess("linear", 500), ancestral)],
)
@pytest.mark.parametrize("label", [0, 2])
def test_the_exact_classifier_leads_to_one_gaussian_of_the_mixture(
    process: Process, sampler: object, label: int
) -> None:
    def log_probability(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = process.alpha(t), process.sigma(t)
        variance = (alpha * SPREAD).square() + sigma.square()
        squares = (x[:, None] - alpha * MEANS).square().sum(-1)
        return (WEIGHTS.log() - squares / (2 * variance)).log_softmax(1)[:, label]

    led = classifier_guided(exact(process), process, log_probability, 1.0)
    x_1, draw = begin(process, 2000)
    steps = {"steps": 60} if sampler is heun else {}
    x_0 = sampler(led, process, x_1, draw, **steps)  # type: ignore[operator]
    assert x_0.mean(0).tolist() == pytest.approx(MEANS[label].tolist(), abs=0.02)
    torch.testing.assert_close(x_0.T.cov(), SPREAD**2 * torch.eye(2).double(), atol=0.0025, rtol=0)


def test_guidance_moves_the_score_by_the_slope_times_its_strength() -> None:
    process, x, t = VariancePreserving(), torch.randn(4, 3).double(), torch.tensor(0.4).double()
    estimate = Estimate(torch.zeros(4, 3).double(), torch.full((4, 3), 0.3).double())
    led = classifier_guided(lambda x, t: estimate, process, lambda x, t: 2 * x.sum(1), 5.0)
    alpha, sigma = process.alpha(t), process.sigma(t)
    with torch.no_grad():
        x_0, share = led(x, t)
    torch.testing.assert_close((alpha * x_0 - x) / sigma**2, -x / sigma**2 + 5 * 2)
    assert share is estimate.variance_fraction
