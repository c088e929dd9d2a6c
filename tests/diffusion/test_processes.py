"""Processes: closed forms against simulated SDEs and numerical derivatives; predictions convert without loss."""

from itertools import product

import pytest
import torch

from genbench.diffusion.parameterisation import convert, from_x_0, to_x_0
from genbench.diffusion.processes import (
    DiscreteProcess,
    Process,
    SubVariancePreserving,
    VarianceExploding,
    VariancePreserving,
)
from genbench.diffusion.schedules import alpha_bar

PROCESSES = {
    "vp": VariancePreserving(),
    "sub-vp": SubVariancePreserving(),
    "ve": VarianceExploding(0.01, 5.0),
    "discrete": DiscreteProcess("linear", 1000),
    "cosine": DiscreteProcess("cosine", 200),
}


@pytest.mark.parametrize("name", PROCESSES)
def test_marginals_are_those_of_the_simulated_sde(name: str) -> None:
    """Euler and Maruyama's method from x_0 = 1.5, with steps small enough for its own error."""
    torch.manual_seed(0)
    process = PROCESSES[name]
    steps, stop = 2000, 0.8
    sigma_0 = process.sigma(torch.zeros((), dtype=torch.float64))
    x = 1.5 + sigma_0 * torch.randn(30_000, dtype=torch.float64)
    for index in range(steps):
        t = torch.tensor((index + 0.5) / steps * stop, dtype=torch.float64)
        dt = stop / steps
        x = x + process.f(t) * x * dt + (process.g_squared(t) * dt).sqrt() * torch.randn_like(x)
    t = torch.tensor(stop, dtype=torch.float64)
    sigma = process.sigma(t).item()
    assert x.mean().item() == pytest.approx(1.5 * process.alpha(t).item(), abs=0.015 * max(1, sigma))
    assert x.std().item() == pytest.approx(sigma, rel=0.015)


@pytest.mark.parametrize("name", PROCESSES)
def test_drift_and_diffusion_are_the_marginals_derivatives(name: str) -> None:
    process = PROCESSES[name]
    # Within the discrete chain's steps, at whose ends the slope jumps.
    t = (torch.tensor([20, 100, 400, 700], dtype=torch.float64) + 0.4) / 1000
    h = 1e-7
    slope = (process.alpha(t + h).log() - process.alpha(t - h).log()) / (2 * h)
    torch.testing.assert_close(process.f(t), slope, rtol=1e-4, atol=1e-6)
    growth = (process.sigma(t + h).square() - process.sigma(t - h).square()) / (2 * h)
    expected = growth - 2 * process.f(t) * process.sigma(t).square()
    torch.testing.assert_close(process.g_squared(t), expected, rtol=1e-4, atol=1e-6)


def test_the_discrete_process_is_its_chain_at_its_steps() -> None:
    process = DiscreteProcess("linear", 1000)
    left = alpha_bar(process.betas)
    for dtype in (torch.float32, torch.float64):
        t = torch.arange(1, 1001, dtype=dtype) / 1000
        torch.testing.assert_close(process.alpha(t).double(), left.sqrt(), rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(process.sigma(t).double(), (1 - left).sqrt(), rtol=1e-5, atol=1e-7)
    assert process.alpha(torch.zeros(())).item() == 1
    assert process.sigma(torch.zeros(())).item() == 0


def test_variance_is_preserved_where_it_should_be() -> None:
    t = torch.rand(100, dtype=torch.float64)
    for name in ("vp", "discrete", "cosine"):
        total = PROCESSES[name].alpha(t).square() + PROCESSES[name].sigma(t).square()
        torch.testing.assert_close(total, torch.ones_like(t))
    assert (PROCESSES["sub-vp"].sigma(t) <= PROCESSES["vp"].sigma(t)).all()


@pytest.mark.parametrize("name", PROCESSES)
def test_the_signal_to_noise_ratio_falls(name: str) -> None:
    t = torch.linspace(0.01, 1, 300, dtype=torch.float64)
    assert (PROCESSES[name].log_snr(t).diff() < 0).all()


def test_images_are_diffused_each_to_its_own_time() -> None:
    process: Process = PROCESSES["vp"]
    x_0, eps, t = torch.randn(3, 1, 4, 4), torch.randn(3, 1, 4, 4), torch.tensor([0.0, 0.5, 1.0])
    x_t = process.diffuse(x_0, t, eps)
    torch.testing.assert_close(x_t[0], x_0[0])
    for row in (1, 2):
        torch.testing.assert_close(x_t[row], process.alpha(t[row]) * x_0[row] + process.sigma(t[row]) * eps[row])


@pytest.mark.parametrize(("given", "wanted"), product(("eps", "x_0", "v", "score"), repeat=2))
@pytest.mark.parametrize("name", PROCESSES)
def test_predictions_convert_into_each_other(name: str, given: str, wanted: str) -> None:
    process, t = PROCESSES[name], torch.tensor([0.02, 0.3, 0.9], dtype=torch.float64).view(-1, 1)
    alpha, sigma = process.alpha(t), process.sigma(t)
    x_0, eps = torch.randn(2, 3, 5, dtype=torch.float64).unbind()
    x_t = alpha * x_0 + sigma * eps
    truth = {"eps": eps, "x_0": x_0, "v": alpha * eps - sigma * x_0, "score": -(x_t - alpha * x_0) / sigma**2}
    torch.testing.assert_close(convert(truth[given], x_t, alpha, sigma, given=given, wanted=wanted), truth[wanted])  # type: ignore[arg-type]


def test_what_does_not_do() -> None:
    one = torch.ones(1)
    for function in (to_x_0, from_x_0):
        with pytest.raises(ValueError, match="eps, x_0, v or score"):
            function("noise", one, one, one, one)  # type: ignore[arg-type]
    for make in (lambda: VariancePreserving(2, 1), lambda: VarianceExploding(0, 1), lambda: VarianceExploding(2, 1)):
        with pytest.raises(ValueError, match="in this order"):
            make()
