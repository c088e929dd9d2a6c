"""Schedules against the papers' figures, the simulated chain and Bayes' rule."""

import math

import pytest
import torch

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
def test_marginals_are_those_of_the_simulated_chain(name: str) -> None:
    torch.manual_seed(0)
    betas = make_betas(name, 40)  # type: ignore[arg-type]
    x = torch.full((200_000,), 1.5, dtype=torch.float64)
    for index, beta in enumerate(betas):
        x = (1 - beta).sqrt() * x + beta.sqrt() * torch.randn_like(x)
        if index in (0, 7, 20, 39):
            left = alpha_bar(betas)[index]
            assert x.mean().item() == pytest.approx(1.5 * left.sqrt().item(), abs=0.012)
            assert x.var().item() == pytest.approx(1 - left.item(), abs=0.012)


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
    ("name", "steps", "message"), [("linear", 10, "more steps"), ("cosine", 0, "1 step"), ("cubic", 9, "lin")]
)
def test_schedules_that_do_not_do(name: str, steps: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_betas(name, steps)  # type: ignore[arg-type]
