"""Weights against the errors of predictions that mean the same, and the bound against its terms."""

import pytest
import torch

from genbench.diffusion.parameterisation import convert
from genbench.diffusion.processes import DiscreteProcess, SubVariancePreserving, VarianceExploding, VariancePreserving
from genbench.diffusion.schedules import alpha_bar, posterior
from genbench.diffusion.weightings import error_ratio, weight

PROCESSES = {
    "vp": VariancePreserving(),
    "sub-vp": SubVariancePreserving(),
    "ve": VarianceExploding(0.1, 5.0),
    "discrete": DiscreteProcess("linear", 100),
}


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("prediction", ["eps", "x_0", "v", "score"])
@pytest.mark.parametrize("weighting", ["snr", "debiased", "min_snr", "bound"])
def test_a_weighted_error_is_the_same_whatever_is_predicted(name: str, prediction: str, weighting: str) -> None:
    process, t = PROCESSES[name], torch.tensor([0.05, 0.3, 0.7, 1.0], dtype=torch.float64)
    alpha, sigma = process.alpha(t)[:, None], process.sigma(t)[:, None]
    torch.manual_seed(0)
    x_0, guess, x_t = torch.randn(3, 4, 5, dtype=torch.float64).unbind()
    of_x_0 = (x_0 - guess).square().mean(1)
    errors = [convert(value, x_t, alpha, sigma, given="x_0", wanted=prediction) for value in (x_0, guess)]  # type: ignore[arg-type]
    of_prediction = (errors[0] - errors[1]).square().mean(1)
    torch.testing.assert_close(of_prediction / of_x_0, error_ratio(prediction, process, t))  # type: ignore[arg-type]
    torch.testing.assert_close(
        weight(weighting, prediction, process, t) * of_prediction,  # type: ignore[arg-type]
        weight(weighting, "x_0", process, t) * of_x_0,  # type: ignore[arg-type]
    )


def test_simple_is_one_and_snr_is_that_of_eps() -> None:
    t = torch.linspace(0.05, 1, 7, dtype=torch.float64)
    for prediction in ("eps", "v"):
        assert (weight("simple", prediction, PROCESSES["vp"], t) == 1).all()  # type: ignore[arg-type]
    torch.testing.assert_close(weight("snr", "eps", PROCESSES["vp"], t), torch.ones_like(t))
    least = weight("min_snr", "x_0", PROCESSES["vp"], t)
    torch.testing.assert_close(least, PROCESSES["vp"].log_snr(t).exp().clamp(max=5))


def test_the_bound_of_a_chain_is_the_divergence_of_its_posteriors() -> None:
    """KL(q(x_{t-1} | x_t, x_0) || q(x_{t-1} | x_t, x_0^)) of two Gaussians of one variance, T times."""
    process = DiscreteProcess("linear", 100)
    a, _, c = posterior(process.betas)
    for index in (1, 10, 50, 99):
        t = torch.tensor([(index + 1) / 100], dtype=torch.float64)
        error = 0.3
        divergence = (a[index] * error).square() / (2 * c[index])
        assert (weight("bound", "x_0", process, t) * error**2).item() == pytest.approx(
            100 * divergence.item(), rel=1e-6
        )
    assert alpha_bar(process.betas)[-1] < 1e-3


def test_the_continuous_bound_is_the_slope_of_snr() -> None:
    t, h = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64), 1e-6
    for name in ("vp", "sub-vp", "ve"):
        process = PROCESSES[name]
        slope = (process.log_snr(t + h).exp() - process.log_snr(t - h).exp()) / (2 * h)
        torch.testing.assert_close(weight("bound", "x_0", process, t), -slope / 2, rtol=1e-5, atol=1e-8)


def test_there_is_no_other_weighting() -> None:
    with pytest.raises(ValueError, match="min_snr or bound"):
        weight("snrr", "eps", PROCESSES["vp"], torch.ones(1))  # type: ignore[arg-type]
