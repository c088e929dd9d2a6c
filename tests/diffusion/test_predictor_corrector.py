"""The predictor and corrector against the formulas of Song et al. (2021), written with their arrays of levels."""

import math

import pytest
import torch
from torch import Tensor

from genbench.diffusion.estimates import Estimate
from genbench.diffusion.processes import Process, SubVariancePreserving, VarianceExploding, VariancePreserving
from genbench.diffusion.samplers import predictor_corrector

STEPS, SNR, MEAN, SPREAD = 60, 0.16, 0.3, 0.25
PROCESSES: dict[str, Process] = {"vp": VariancePreserving(), "ve": VarianceExploding(0.01, 50.0)}


def score(process: Process, x: Tensor, t: Tensor) -> Tensor:
    """Return the exact score of pixels N(MEAN, SPREAD^2)."""
    alpha, sigma = process.alpha(t), process.sigma(t)
    return -(x - alpha * MEAN) / ((alpha * SPREAD) ** 2 + sigma**2)


def drawer(count: int) -> tuple[torch.Generator, list[Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return generator, [torch.randn(8, 12, dtype=torch.float64, generator=generator) for _ in range(count)]


@pytest.mark.parametrize("name", PROCESSES)
def test_reverse_diffusion_and_langevin_steps_are_those_of_the_algorithms(name: str) -> None:
    process = PROCESSES[name]
    _, draws = drawer(2 * STEPS + 1)
    waiting = iter(draws)
    x_1 = process.prior_std * next(waiting)
    found = predictor_corrector(
        lambda x, t: Estimate((x + process.sigma(t) ** 2 * score(process, x, t)) / process.alpha(t)),
        process, x_1, lambda: next(waiting), steps=STEPS, snr=SNR,
    )  # fmt: skip
    betas = torch.linspace(0.1 / STEPS, 20 / STEPS, STEPS, dtype=torch.float64)
    sigmas = torch.linspace(math.log(0.01), math.log(50), STEPS, dtype=torch.float64).exp()
    x, noises = x_1, iter(draws[1:])
    for t in torch.linspace(1, process.first, STEPS, dtype=torch.float64):
        index = int(t * (STEPS - 1) + 1e-9)
        # Algorithms 4 and 5: Langevin dynamics, whose step has the factor alpha_i = 1 - beta_i.
        g, z = score(process, x, t), next(noises)
        alpha = 1 - betas[index] if name == "vp" else 1
        size = 2 * alpha * (SNR * z.norm(dim=1).mean() / g.norm(dim=1).mean()) ** 2
        x = x + size * g + (2 * size).sqrt() * z
        # Algorithms 2 and 3: the predictors.
        g, z = score(process, x, t), next(noises)
        if name == "vp":
            mean, deviation = (2 - (1 - betas[index]).sqrt()) * x + betas[index] * g, betas[index].sqrt()
        else:
            below = sigmas[index - 1] ** 2 if index else 0
            mean, deviation = x + (sigmas[index] ** 2 - below) * g, (sigmas[index] ** 2 - below) ** 0.5
        x = mean + deviation * z
    # The result is the last predictor's mean, without noise.
    torch.testing.assert_close(found, mean)


@pytest.mark.parametrize("process", [VariancePreserving(), SubVariancePreserving(), VarianceExploding(0.01, 5.0)])
def test_chains_come_to_the_marginals_of_their_sde(process: Process) -> None:
    """Of data N(1, 0) the mean and the variance of the chain are alpha and sigma^2, ever closer with more steps."""
    errors = []
    for steps in (100, 400):
        mean, variance = torch.ones((), dtype=torch.float64), process.sigma(torch.zeros((), dtype=torch.float64)) ** 2
        for index in range(1, steps):
            a, v = process.discretised(torch.tensor(index / (steps - 1), dtype=torch.float64), steps)
            mean, variance = a * mean, a**2 * variance + v
        last = torch.ones((), dtype=torch.float64)
        errors.append(max(abs(mean - process.alpha(last)), abs((variance.sqrt() / process.sigma(last)) - 1)).item())
    assert errors[1] < 0.01
    assert errors[1] < errors[0] / 2 or errors[0] < 1e-9


def test_settings_that_do_not_do() -> None:
    process, x_1 = PROCESSES["vp"], torch.zeros(2, 3, dtype=torch.float64)
    for settings, message in (
        ({"predictor": "euler"}, "predictor must be reverse_diffusion or euler_maruyama"),
        ({"langevin_alpha": "bar"}, "langevin_alpha must be"),
        ({"order": "both"}, "order must be"),
        ({"steps": 10}, "more than beta_max=20"),
    ):
        with pytest.raises(ValueError, match=message):
            predictor_corrector(lambda x, t: Estimate(x), process, x_1, lambda: x_1, **settings)  # type: ignore[arg-type]
