"""Schedules against the papers' figures, the chain step by step and Bayes' rule."""

import math

import pytest
import torch

from genbench.diffusion.processes import VariancePreserving
from genbench.diffusion.schedules import alpha_bar, make_betas, posterior

NAMES = ("linear", "quadratic", "cosine", "sigmoid")


def test_the_linear_schedule_is_ddpms() -> None:
    betas = make_betas("linear", 1000)
    assert (betas[0].item(), betas[-1].item()) == pytest.approx((1e-4, 0.02))
    assert betas[499].item() == pytest.approx(1e-4 + 499 * (0.02 - 1e-4) / 999)
    assert alpha_bar(betas)[-1].item() == pytest.approx(4.0358e-5, rel=1e-4)


def test_the_cosine_schedule_is_improved_ddpms() -> None:
    betas = make_betas("cosine", 1000)

    def f(t: float) -> float:
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    left = alpha_bar(betas)
    for step in (1, 10, 500, 900):
        assert left[step - 1].item() == pytest.approx(f(step / 1000) / f(0), rel=1e-9)
    assert betas[-1].item() == 0.999
    assert (betas[:-1] < 0.999).all()


def test_the_other_schedules_are_what_they_are_called() -> None:
    # Of ten steps each is a hundred times as large.
    roots = make_betas("quadratic", 10, first=0.0001, last=0.0036).sqrt()
    torch.testing.assert_close(roots, torch.linspace(0.1, 0.6, 10, dtype=torch.float64))
    betas = make_betas("sigmoid", 1001)
    scale = 1000 / 1001
    assert betas[500].item() == pytest.approx(scale * (1e-4 + 0.02) / 2)
    logits = ((betas / scale - 1e-4) / (0.02 - 1e-4)).logit()
    torch.testing.assert_close(logits, torch.linspace(-6, 6, 1001, dtype=torch.float64), rtol=1e-6, atol=1e-6)
    # The SDE's share of the image at the times t / T.
    t = torch.arange(1, 5, dtype=torch.float64) / 4
    process = VariancePreserving()
    torch.testing.assert_close(alpha_bar(make_betas("vp", 4)), process.alpha(t).square())
    # From time 0.001 on, as denoising diffusion GANs' code has it.
    truncated = process.alpha(0.001 + 0.999 * torch.arange(5, dtype=torch.float64) / 4).square()
    torch.testing.assert_close(1 - make_betas("vp_truncated", 4), truncated[1:] / truncated[:-1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [50, 100, 1000])
def test_variances_grow_and_leave_little_of_the_image(name: str, steps: int) -> None:
    betas = make_betas(name, steps)  # type: ignore[arg-type]
    assert betas.shape == (steps,)
    assert ((betas > 0) & (betas < 1)).all()
    assert (betas.diff() >= 0).all()
    # The quadratic one leaves most: it is slow at first.
    assert alpha_bar(betas)[-1] < 2e-3


@pytest.mark.parametrize("name", NAMES)
def test_marginals_are_those_of_the_chain(name: str) -> None:
    mean, variance = 1.5, 0.0
    betas = make_betas(name, 40)  # type: ignore[arg-type]
    for beta, left in zip(betas.tolist(), alpha_bar(betas).tolist(), strict=True):
        mean, variance = math.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
        assert mean == pytest.approx(1.5 * math.sqrt(left))
        assert variance == pytest.approx(1 - left)


@pytest.mark.parametrize("name", NAMES)
def test_the_posterior_is_bayes_rule_on_numbers(name: str) -> None:
    """q(x_{t-1} | x_t, x_0) is proportional to q(x_t | x_{t-1}) q(x_{t-1} | x_0)."""
    betas = make_betas(name, 40)  # type: ignore[arg-type]
    left = alpha_bar(betas)
    a, b, c = posterior(betas)
    x_0, x_t = 0.7, -0.4
    grid = torch.linspace(-8, 8, 400_001, dtype=torch.float64)
    for index in (1, 5, 20, 38):
        step = -(x_t - (1 - betas[index]).sqrt() * grid).square() / (2 * betas[index])
        marginal = -(grid - left[index - 1].sqrt() * x_0).square() / (2 * (1 - left[index - 1]))
        density = (step + marginal).softmax(0)
        mean = (density * grid).sum()
        variance = (density * (grid - mean).square()).sum()
        assert mean.item() == pytest.approx((a[index] * x_0 + b[index] * x_t).item(), abs=1e-6)
        assert variance.item() == pytest.approx(c[index].item(), rel=1e-4)
    assert (a[0].item(), b[0].item(), c[0].item()) == pytest.approx((1, 0, 0))


@pytest.mark.parametrize(
    ("name", "steps", "message"), [("linear", 20, "more steps"), ("cosine", 0, "1 step"), ("cubic", 9, "lin")]
)
def test_schedules_that_do_not_do(name: str, steps: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_betas(name, steps)  # type: ignore[arg-type]


def test_one_step_and_variances_at_the_ends_do() -> None:
    for name in (*NAMES, "vp", "vp_truncated"):
        assert len(make_betas(name, 1, 1e-4, 1e-4)) == 1  # type: ignore[arg-type]
    assert make_betas("linear", 21).max() < 1
    for first, last in ((0.0, 0.01), (0.02, 0.01)):
        with pytest.raises(ValueError, match="must be in"):
            make_betas("linear", 1000, first, last)
