"""Samplers given the exact denoiser of a mixture of Gaussians return it; solvers have the order they claim."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler
from torch import Tensor

from genbench.diffusion.edm import PolynomialSigma
from genbench.diffusion.estimates import Denoise, Estimate
from genbench.diffusion.processes import (
    DiscreteProcess,
    Process,
    SubVariancePreserving,
    VarianceExploding,
    VariancePreserving,
)
from genbench.diffusion.samplers import (
    ancestral,
    ddim,
    ddim_encode,
    dpm_solver,
    heun,
    predictor_corrector,
    probability_flow,
    repaint,
    stochastic_heun,
    transition,
)
from genbench.diffusion.schedules import posterior

WEIGHTS = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
MEANS = torch.tensor([[-0.6, 0.3], [0.7, 0.5], [0.1, -0.8]], dtype=torch.float64)
SPREAD = 0.12

PROCESSES = {
    "vp": VariancePreserving(),
    "sub-vp": SubVariancePreserving(),
    "ve": VarianceExploding(0.01, 10.0),
    "edm": PolynomialSigma(0.002, 10.0),
    "discrete": DiscreteProcess("linear", 1000),
    "cosine": DiscreteProcess("cosine", 500),
}


def exact(process: Process) -> Denoise:
    """Return E[x_0 | x_t] of the mixture."""

    def denoise(x: Tensor, t: Tensor) -> Estimate:
        alpha, sigma = process.alpha(t), process.sigma(t)
        variance = (alpha * SPREAD).square() + sigma.square()
        squares = (x[:, None] - alpha * MEANS).square().sum(-1)
        share = (WEIGHTS.log() - squares / (2 * variance)).softmax(1)
        expected = MEANS + alpha * SPREAD**2 / variance * (x[:, None] - alpha * MEANS)
        return Estimate((share[..., None] * expected).sum(1))

    return denoise


def begin(process: Process, count: int, seed: int = 0) -> tuple[Tensor, Callable[[], Tensor]]:
    generator = torch.Generator().manual_seed(seed)

    def draw() -> Tensor:
        return torch.randn(count, 2, dtype=torch.float64, generator=generator)

    return process.prior_std * draw(), draw


EARLIER: dict[str, Any] = {
    "predictor": "euler_maruyama",
    "langevin_alpha": "cumulative",
    "order": "predictor_first",
}
"""How earlier versions corrected."""

SAMPLERS: dict[str, tuple[Callable[..., Tensor], tuple[str, ...]]] = {
    "ancestral": (partial(ancestral, steps=500), ("vp", "sub-vp", "ve", "discrete", "cosine")),
    "ddim": (partial(ddim, steps=300), ("vp", "sub-vp", "ve", "discrete", "cosine")),
    "ddim_eta_half": (partial(ddim, steps=400, eta=0.5), ("vp", "discrete")),
    "ddim_quadratic": (partial(ddim, steps=200, spacing="quadratic"), ("vp", "discrete")),
    "heun": (partial(heun, steps=60), ("vp", "sub-vp", "ve", "edm", "discrete", "cosine")),
    "dpm_solver": (partial(dpm_solver, steps=60), ("vp", "sub-vp", "ve", "discrete", "cosine")),
    "predictor": (
        partial(predictor_corrector, steps=1000, predictor="euler_maruyama", corrections=0),
        ("vp", "sub-vp"),
    ),
    "reverse_diffusion": (partial(predictor_corrector, steps=1000, corrections=0), ("ve",)),
    "predictor_corrector": (partial(predictor_corrector, steps=1000, snr=0.1), ("vp", "ve")),
    "stochastic_heun": (partial(stochastic_heun, steps=100, churn=20, churn_noise=1.0), ("vp", "ve", "edm")),
    "probability_flow": (probability_flow, ("vp", "sub-vp", "ve", "discrete")),
}


@pytest.mark.parametrize(
    ("sampler", "process"), [(name, process) for name in SAMPLERS for process in SAMPLERS[name][1]]
)
def test_the_mixture_comes_back(sampler: str, process: str) -> None:
    x_1, draw = begin(PROCESSES[process], 6000)
    x_0 = SAMPLERS[sampler][0](exact(PROCESSES[process]), PROCESSES[process], x_1, draw)
    nearest = torch.cdist(x_0, MEANS).argmin(1)
    share = torch.bincount(nearest, minlength=3) / len(x_0)
    assert share.tolist() == pytest.approx(WEIGHTS.tolist(), abs=0.025)
    for index, mean in enumerate(MEANS):
        own = x_0[nearest == index]
        assert own.mean(0).tolist() == pytest.approx(mean.tolist(), abs=0.02)
        # The last call gives an expectation, which lacks the variance that is left at the first time.
        torch.testing.assert_close(own.T.cov(), SPREAD**2 * torch.eye(2, dtype=torch.float64), atol=0.0025, rtol=0)


def test_transitions_of_a_chain_are_its_posteriors() -> None:
    process = DiscreteProcess("linear", 200)
    a, b, c = posterior(process.betas)
    for index in (1, 2, 50, 199):
        t, s = (torch.tensor(step / 200, dtype=torch.float64) for step in (index + 1, index))
        step = transition(process, t, s)
        assert step.a.item() == pytest.approx(a[index].item(), rel=1e-6)
        assert step.b.item() == pytest.approx(b[index].item(), rel=1e-6)
        assert step.variance.item() == pytest.approx(c[index].item(), rel=1e-6)
        assert step.step_variance.item() == pytest.approx(process.betas[index].item(), rel=1e-6)


def test_ddim_with_eta_one_is_ancestral_sampling() -> None:
    process = PROCESSES["discrete"]
    results = []
    for sampler in (partial(ancestral, steps=100), partial(ddim, steps=100, eta=1.0)):
        x_1, draw = begin(process, 50)
        results.append(sampler(exact(process), process, x_1, draw))
    torch.testing.assert_close(*results)


def test_a_learned_variance_lies_between_its_bounds() -> None:
    process = PROCESSES["discrete"]

    def telling(share: float) -> Denoise:
        def denoise(x: Tensor, t: Tensor) -> Estimate:
            return Estimate(exact(process)(x, t).x_0, torch.full_like(x, share))

        return denoise

    def run(denoise: Denoise, **settings: str) -> Tensor:
        x_1, draw = begin(process, 20)
        return ancestral(denoise, process, x_1, draw, steps=50, **settings)  # type: ignore[arg-type]

    torch.testing.assert_close(run(telling(0.0)), run(exact(process)))
    torch.testing.assert_close(run(telling(1.0)), run(exact(process), variance="step"))


def test_ddim_without_noise_is_deterministic_and_inverts_ever_better() -> None:
    process = PROCESSES["vp"]
    x_0 = MEANS[torch.arange(60) % 3] + SPREAD * begin(process, 60, seed=1)[1]()
    errors = []
    for steps in (50, 100, 200, 400):
        x_1 = ddim_encode(exact(process), process, x_0, steps=steps)

        def refuse() -> Tensor:
            raise AssertionError("it draws noise")

        back = ddim(exact(process), process, x_1, refuse, steps=steps)
        errors.append((back - x_0).abs().mean().item())
    assert all(later < 0.75 * earlier for earlier, later in pairwise(errors))
    # In proportion to 1 / steps, once they are small.
    assert errors[-1] / errors[-2] == pytest.approx(0.5, abs=0.05)
    assert errors[-1] < 0.03


@pytest.mark.parametrize("process", ["vp", "ve"])
@pytest.mark.parametrize(("sampler", "order"), [(heun, 2), (dpm_solver, 2), (partial(ddim, spacing="log_snr"), 1)])
def test_halving_the_step_divides_the_error_by_two_to_the_order(
    sampler: Callable[..., Tensor], order: int, process: str
) -> None:
    x_1, draw = begin(PROCESSES[process], 200)
    denoise = exact(PROCESSES[process])
    truth = probability_flow(denoise, PROCESSES[process], x_1, draw, tolerance=1e-10)
    errors = [
        (sampler(denoise, PROCESSES[process], x_1, draw, steps=steps) - truth).norm(dim=1).median().item()
        for steps in (101, 201, 401)
    ]
    for earlier, later in pairwise(errors):
        assert earlier / later == pytest.approx(2**order, rel=0.25)


def test_repaint_keeps_what_is_known_and_the_more_it_resamples_the_better_the_rest_suits() -> None:
    """Of the mixture, given that the first coordinate is 0.7, the second is that of the second Gaussian."""
    process, shares = PROCESSES["discrete"], []
    known = torch.tensor([[0.7, 99.0]], dtype=torch.float64).expand(1500, 2)
    mask = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    for resamplings in (1, 10):
        x_1, draw = begin(process, 1500)
        filled = repaint(exact(process), process, x_1, draw, known, mask, steps=50, resamplings=resamplings)
        assert (filled[:, 0] == 0.7).all()
        suits = (filled[:, 1] - 0.5).abs() < 0.5
        shares.append(suits.double().mean().item())
    assert filled[suits, 1].mean().item() == pytest.approx(0.5, abs=0.02)
    assert shares[1] > shares[0] + 0.05
    assert shares[1] > 0.9


def test_times_begin_with_noise_and_end_at_the_first_time() -> None:
    for name, process in PROCESSES.items():
        for spacing in ("uniform", "quadratic", "log_snr", "karras"):
            times = process.times(20, spacing)  # type: ignore[arg-type]
            assert times.shape == (20,), name
            assert (times[0].item(), times[-1].item()) == pytest.approx((1, process.first), rel=1e-6)
            assert (times.diff() < 0).all()
        steps = process.log_snr(process.times(9, "log_snr")).diff()
        torch.testing.assert_close(steps, steps.mean().expand_as(steps), rtol=1e-3, atol=1e-6)
    chain = PROCESSES["cosine"]
    torch.testing.assert_close(chain.times(500) * 500, torch.arange(500, 0, -1, dtype=torch.float64))
    for spacing in ("uniform", "quadratic"):
        places = chain.times(400, spacing) * 500  # type: ignore[arg-type]
        torch.testing.assert_close(places, places.round())
        assert len(places.unique()) == 400
    with pytest.raises(ValueError, match="at most the 500"):
        chain.times(501)
    with pytest.raises(ValueError, match="spacing must be"):
        PROCESSES["vp"].times(5, "even")  # type: ignore[arg-type]


def test_spacings_are_even_in_what_they_are_called_after() -> None:
    for name, process in PROCESSES.items():
        ratios = (process.sigma(times := process.times(12, "karras")) / process.alpha(times)) ** (1 / 7)
        torch.testing.assert_close(ratios.diff(), ratios.diff().mean().expand(11), rtol=1e-3, atol=1e-7, msg=name)
    for name in ("vp", "ve"):
        times = PROCESSES[name].times(12)
        torch.testing.assert_close(times, torch.linspace(1, PROCESSES[name].first, 12, dtype=torch.float64))
        roots = PROCESSES[name].times(12, "quadratic").sqrt()
        torch.testing.assert_close(roots, torch.linspace(1, PROCESSES[name].first ** 0.5, 12, dtype=torch.float64))
        for spacing in ("uniform", "quadratic", "log_snr", "karras"):
            assert PROCESSES[name].times(1, spacing).tolist() == pytest.approx([1])  # type: ignore[arg-type]
    assert [PROCESSES[name].first for name in PROCESSES] == [1e-3, 1e-3, 1e-5, 0, 1 / 1000, 1 / 500]
    with pytest.raises(ValueError, match="steps must be at least 1, not 0"):
        PROCESSES["vp"].times(0)


@pytest.mark.parametrize("name", ["vp", "discrete"])
@pytest.mark.parametrize(
    ("sampler", "spacing", "steps", "calls", "draws"),
    [
        (ancestral, "uniform", 1000, 1000, 999),
        (partial(ancestral, steps=7, spacing="quadratic"), "quadratic", 7, 7, 6),
        (ddim, "uniform", 50, 50, 0),
        (partial(ddim, eta=0.1), "uniform", 50, 50, 49),
        (heun, "karras", 18, 35, 0),
        (dpm_solver, "log_snr", 20, 20, 0),
        (predictor_corrector, "uniform", 1000, 2 * 1000, 2 * 1000),
        (partial(predictor_corrector, steps=25, corrections=3), "uniform", 25, 4 * 25, 4 * 25),
        (partial(predictor_corrector, **EARLIER, steps=5, corrections=3), "uniform", 5, 4 * 4 + 1, 4 * 4),
    ],
)
def test_networks_are_called_as_often_as_said_at_the_spacings_times(
    name: str, sampler: Callable[..., Tensor], spacing: str, steps: int, calls: int, draws: int
) -> None:
    process, times, drawn = PROCESSES[name], [], []
    x_1, draw = begin(process, 3)

    def denoise(x: Tensor, t: Tensor) -> Estimate:
        times.append(float(t))
        return Estimate(0.1 * x)

    def counted() -> Tensor:
        drawn.append(1)
        return draw()

    sampler(denoise, process, x_1, counted)
    assert (len(times), len(drawn)) == (calls, draws)
    expected = process.times(steps, spacing).tolist()  # type: ignore[arg-type]
    assert sorted(set(times), reverse=True) == pytest.approx(expected)
    assert times[-1] == expected[-1]


def test_encoding_goes_up_the_same_times() -> None:
    process, times = PROCESSES["vp"], []

    def denoise(x: Tensor, t: Tensor) -> Estimate:
        times.append(float(t))
        return Estimate(torch.full_like(x, 0.3))

    x_0 = torch.full((2, 2), 0.3, dtype=torch.float64)
    x_1 = ddim_encode(denoise, process, x_0, steps=9, spacing="quadratic")
    assert times == pytest.approx(process.times(9, "quadratic").flip(0)[:-1].tolist())
    # A point whose image is itself has no noise to carry up.
    torch.testing.assert_close(x_1, process.alpha(torch.ones((), dtype=torch.float64)) * x_0)


def test_repaint_step_by_step() -> None:
    """What the denoiser is shown, with draws that are all alike."""
    process, shown, steps = PROCESSES["discrete"], [], []
    known, mask = torch.tensor([[0.7, 9.0]], dtype=torch.float64), torch.tensor([[1.0, 0.0]], dtype=torch.float64)

    def denoise(x: Tensor, t: Tensor) -> Estimate:
        shown.append(x[0].tolist())
        steps.append(float(t))
        return Estimate(torch.full_like(x, 0.2))

    x_1, ones = torch.full((1, 2), 1.5, dtype=torch.float64), torch.ones(1, 2, dtype=torch.float64)
    t, s = process.times(2)
    step, back = transition(process, t, s), process.alpha(t) / process.alpha(s)
    for noise in (0.0, 1.0):
        shown.clear(), steps.clear()
        filled = repaint(denoise, process, x_1, lambda noise=noise: noise * ones, known, mask, steps=2, resamplings=2)  # type: ignore[misc]
        assert filled.tolist() == [[0.7, 0.2]]
        assert steps == [1, 1, 1 / 1000]
        kept = (process.alpha(s) * 0.7 + process.sigma(s) * noise).item()
        places = [[1.5, 1.5]]
        for _ in range(2):
            missing = (step.a * 0.2 + step.b * places[-1][1] + step.variance.sqrt() * noise).item()
            places += [
                [kept, missing],
                [(back * one + step.step_variance.sqrt() * noise).item() for one in (kept, missing)],
            ]
        # Shown are the beginning, what a step of noise led back to, and the end.
        assert shown[0] == places[0]
        assert shown[1] == pytest.approx(places[2])
        assert shown[2] == pytest.approx(places[3])
    steps.clear()
    repaint(denoise, process, x_1, lambda: ones, known, mask)
    assert len(steps) == 249 * 10 + 1


def test_without_churn_the_stochastic_method_is_heuns() -> None:
    for name in ("vp", "ve", "edm"):
        x_1, draw = begin(PROCESSES[name], 20)
        results = [
            sampler(exact(PROCESSES[name]), PROCESSES[name], x_1, draw, steps=12)
            for sampler in (heun, partial(stochastic_heun, churn=0.0), partial(stochastic_heun, churn_to=0.0))
        ]
        torch.testing.assert_close(results[1], results[0])
        torch.testing.assert_close(results[2], results[0])
    drawn: list[int] = []
    # Only the levels between the bounds are raised.
    stochastic_heun(
        exact(PROCESSES["edm"]), PROCESSES["edm"], x_1, lambda: drawn.append(1) or draw(), steps=12, churn_to=5.0
    )
    assert len(drawn) == sum(0.05 <= sigma <= 5.0 for sigma in PROCESSES["edm"].sigma(PROCESSES["edm"].times(12)))
    with pytest.raises(ValueError, match="churn=-1"):
        stochastic_heun(exact(PROCESSES["vp"]), PROCESSES["vp"], x_1, draw, churn=-1)


@pytest.mark.parametrize("steps", [1, 7, 50, 1000])
def test_leading_steps_are_those_of_diffusers_and_ddims_code(steps: int) -> None:
    scheduler = DDIMScheduler(num_train_timesteps=1000, timestep_spacing="leading")
    scheduler.set_timesteps(steps)
    # Their steps count from 0.
    assert PROCESSES["discrete"].times(steps, "leading").tolist() == pytest.approx(
        [(int(step) + 1) / 1000 for step in scheduler.timesteps]
    )
    with pytest.raises(ValueError, match="or leading, leading_second or glide_fast27 of a chain"):
        PROCESSES["vp"].times(steps, "leading")


def test_ddim_on_leading_steps_is_diffusers() -> None:
    process, scheduler = PROCESSES["discrete"], DDIMScheduler(beta_schedule="linear", clip_sample=False)
    scheduler.set_timesteps(13)
    denoise = exact(process)
    x_1, draw = begin(process, 5)
    x = x_1
    for step in scheduler.timesteps:
        t = (step.double() + 1) / 1000
        eps = (x - process.alpha(t) * denoise(x, t).x_0) / process.sigma(t)
        x = scheduler.step(eps, step, x).prev_sample
    torch.testing.assert_close(ddim(denoise, process, x_1, draw, steps=13, spacing="leading"), x, atol=1e-5, rtol=0)


@pytest.mark.parametrize("variance", ["posterior", "step"])
@pytest.mark.parametrize("fraction", [None, 0.3])
def test_one_guided_ancestral_step_is_finite(variance: Any, fraction: float | None) -> None:
    def denoise(x: Tensor, t: Tensor) -> Estimate:
        learned = None if fraction is None else torch.full_like(x, fraction)
        return Estimate(torch.zeros_like(x), learned, gradient=torch.ones_like(x))

    found = ancestral(
        denoise, DiscreteProcess("cosine", 20), torch.ones(2, 1), partial(torch.zeros, 2, 1), steps=1, variance=variance
    )
    assert found.isfinite().all()
