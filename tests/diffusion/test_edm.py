"""EDM's coefficients against what they are made for, and against the SDEs of which two of them are."""

import pytest
import torch

from genbench.diffusion.edm import PolynomialSigma, coefficients
from genbench.diffusion.processes import VariancePreserving

SIGMA = torch.logspace(-3, 2, 11, dtype=torch.float64)
DATA_STD = 0.4


def test_inputs_and_targets_have_unit_variance() -> None:
    c = coefficients("edm", SIGMA, DATA_STD)
    total = SIGMA**2 + DATA_STD**2
    torch.testing.assert_close(c.into**2 * total, torch.ones_like(SIGMA))
    # The target (x_0 - c_skip (x_0 + sigma eps)) / c_out.
    variance = ((1 - c.skip) ** 2 * DATA_STD**2 + c.skip**2 * SIGMA**2) / c.out**2
    torch.testing.assert_close(variance, torch.ones_like(SIGMA))
    # Of all c_skip it is the one with the least c_out.
    for shifted in (c.skip - 0.01, c.skip + 0.01):
        assert ((1 - shifted) ** 2 * DATA_STD**2 + shifted**2 * SIGMA**2 > c.out**2).all()
    torch.testing.assert_close(c.noise, SIGMA.log() / 4)


def test_of_gaussian_data_the_preconditioning_alone_is_the_best_denoiser() -> None:
    c = coefficients("edm", SIGMA, DATA_STD)
    x = torch.randn(len(SIGMA), dtype=torch.float64)
    # E[x_0 | x] of x_0 ~ N(0, DATA_STD^2): the network has nothing to add.
    torch.testing.assert_close(c.skip * x, DATA_STD**2 / (DATA_STD**2 + SIGMA**2) * x)


def test_vp_and_ve_are_the_conventions_of_their_sdes() -> None:
    process = VariancePreserving()
    t = torch.tensor([0.01, 0.3, 1.0], dtype=torch.float64)
    c = coefficients("vp", process.sigma(t) / process.alpha(t))
    torch.testing.assert_close(c.noise, 999 * t)
    torch.testing.assert_close(c.into, process.alpha(t))
    eps, x_0 = torch.randn(2, 3, dtype=torch.float64)
    x = x_0 + process.sigma(t) / process.alpha(t) * eps
    torch.testing.assert_close(c.skip * x + c.out * eps, x_0)
    c = coefficients("ve", SIGMA)
    torch.testing.assert_close(c.noise.exp(), SIGMA / 2)
    assert (c.out == SIGMA).all()
    with pytest.raises(ValueError, match="edm, vp or ve"):
        coefficients("ddpm", SIGMA)  # type: ignore[arg-type]


def test_noise_levels_are_the_papers() -> None:
    process, steps = PolynomialSigma(), 18
    index = torch.arange(steps, dtype=torch.float64) / (steps - 1)
    expected = (80 ** (1 / 7) + index * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    for spacing in ("uniform", "karras"):
        torch.testing.assert_close(process.sigma(process.times(steps, spacing)), expected)  # type: ignore[arg-type]
    # Any noise level has a time, also beyond those that are sampled at.
    sigma = torch.tensor([1e-4, 0.002, 3.0, 80.0, 200.0], dtype=torch.float64)
    torch.testing.assert_close(process.sigma(process.time_of(-2 * sigma.log())), sigma)
    t = torch.linspace(0.01, 0.99, 9, dtype=torch.float64)
    slope = (process.sigma(t + 1e-6) ** 2 - process.sigma(t - 1e-6) ** 2) / 2e-6
    torch.testing.assert_close(process.g_squared(t), slope, rtol=1e-6, atol=1e-12)
    for settings, message in (({"sigma_min": 0.0}, "sigma_min=0.0"), ({"rho": 0.0}, "rho must be")):
        with pytest.raises(ValueError, match=message):
            PolynomialSigma(**settings)
