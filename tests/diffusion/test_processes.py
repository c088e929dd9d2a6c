"""Processes: closed forms against their SDEs and numerical derivatives; predictions convert without loss."""

import math
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
def test_marginals_are_those_of_the_sde(name: str) -> None:
    """The SDE is linear, so its mean and variance follow m' = f m and v' = 2 f v + g^2."""
    process = PROCESSES[name]
    # The middles of intervals, none of which has an end of a discrete chain's step within.
    steps, stop = 40_000, 0.8
    dt = stop / steps
    times = (torch.arange(steps, dtype=torch.float64) + 0.5) * dt
    mean, variance = 1.5, process.sigma(torch.zeros((), dtype=torch.float64)).item() ** 2
    for f, g_squared in zip(process.f(times).tolist(), process.g_squared(times).tolist(), strict=True):
        # Exact where f and g are constant.
        growth = math.exp(2 * f * dt)
        variance = variance * growth + g_squared * (math.expm1(2 * f * dt) / (2 * f) if f else dt)
        mean *= math.exp(f * dt)
    t = torch.tensor(stop, dtype=torch.float64)
    assert mean == pytest.approx(1.5 * process.alpha(t).item(), rel=1e-5)
    assert variance == pytest.approx(process.sigma(t).item() ** 2, rel=1e-5)


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


def test_noise_begins_with_the_deviation_at_the_end_in_double_precision() -> None:
    alpha = math.exp(-(20 - 0.1) / 4 - 0.1 / 2)
    assert PROCESSES["vp"].prior_std == pytest.approx(math.sqrt(1 - alpha**2), rel=1e-14)
    assert PROCESSES["ve"].prior_std == pytest.approx(5, rel=1e-14)
    # A chain's prior is N(0, I), also where its last step leaves much of the image, as Stable Diffusion's does.
    assert DiscreteProcess("quadratic", 1000, beta_start=8.5e-4, beta_end=1.2e-2).prior_std == 1


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


@pytest.mark.parametrize("steps", [4, 1000, 4000])
def test_networks_are_given_steps_counted_from_0_or_1(steps: int) -> None:
    number = torch.arange(1, steps + 1)
    # In the single precision that training draws them in, and in double precision, in which samplers have them.
    for t in (number / steps, number.double() / steps):
        given = DiscreteProcess("cosine", steps).network_time(t)
        assert given.dtype == t.dtype
        torch.testing.assert_close(given, ((number - 1).double() / steps).to(t), rtol=1e-7, atol=0)
        assert DiscreteProcess("cosine", steps, first_index=1).network_time(t) is t
        assert VariancePreserving().network_time(t) is t
    process = DiscreteProcess("cosine", steps)
    # Between steps in a line, and from the first on.
    between = torch.tensor([0.0, 0.5 / steps, 1.25 / steps, 1.75 / steps], dtype=torch.float64)
    found = process.network_time(between) * steps
    torch.testing.assert_close(found, torch.tensor([0, 0, 0.25, 0.75], dtype=torch.float64))


def test_the_ends_of_a_schedule_are_settings() -> None:
    betas = DiscreteProcess("linear", 500, beta_start=2e-4, beta_end=0.01).betas
    torch.testing.assert_close(betas[[0, -1]], torch.tensor([4e-4, 0.02], dtype=torch.float64))
    assert DiscreteProcess("quadratic", beta_end=0.03).betas[0].item() == pytest.approx(1e-4)
    for schedule in ("cosine", "vp"):
        with pytest.raises(ValueError, match=f"no effect on the {schedule} schedule"):
            DiscreteProcess(schedule, beta_end=0.03)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="first_index must be 0 or 1, not 2"):
        DiscreteProcess(first_index=2)  # type: ignore[arg-type]


def test_glides_27_steps_are_those_of_its_code() -> None:
    times = DiscreteProcess("linear", 1000).times(27, "glide_fast27")
    # glide_text2im.respace.space_timesteps(1000, "fast27"), counted from one.
    steps = [1, 23, 45, 67, 89, 112, 134, 156, 178, 200, 201, 223, 245, 267, 289, 312, 334, 356, 378, 400]
    steps += [401, 501, 600, 601, 800, 801, 998]
    assert (times.flip(0) * 1000).round().int().tolist() == steps
    with pytest.raises(ValueError, match="takes steps=27"):
        DiscreteProcess("linear", 1000).times(26, "glide_fast27")
