"""Adversarial losses against closed forms."""

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy

from genbench.losses import (
    cross_entropy_discriminator_loss,
    make_objective,
    minimax_generator_loss,
    non_saturating_generator_loss,
    r1_penalty,
)


def test_an_undecided_discriminator_costs_log_4() -> None:
    zeros = torch.zeros(7)
    assert cross_entropy_discriminator_loss(zeros, zeros).item() == pytest.approx(math.log(4))
    assert minimax_generator_loss(zeros).item() == pytest.approx(-math.log(2))
    assert non_saturating_generator_loss(zeros).item() == pytest.approx(math.log(2))


def test_discriminator_loss_is_the_binary_cross_entropy_of_d() -> None:
    real, fake = torch.randn(2, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).unbind()
    expected = binary_cross_entropy(real.sigmoid(), torch.ones_like(real))
    expected = expected + binary_cross_entropy(fake.sigmoid(), torch.zeros_like(fake))
    torch.testing.assert_close(cross_entropy_discriminator_loss(real, fake), expected)


def test_only_the_non_saturating_gradient_survives_a_sure_discriminator() -> None:
    # d/dlogit log(1 - D) = -D and d/dlogit -log D = D - 1, at D = sigmoid(-20).
    for loss, expected in (
        (minimax_generator_loss, -torch.sigmoid(torch.tensor(-20.0))),
        (non_saturating_generator_loss, torch.sigmoid(torch.tensor(-20.0)) - 1),
    ):
        logit = torch.tensor(-20.0, requires_grad=True)
        loss(logit).backward()
        torch.testing.assert_close(logit.grad, expected)


def test_both_generator_objectives_fall_as_the_discriminator_is_fooled() -> None:
    for loss in (minimax_generator_loss, non_saturating_generator_loss):
        values = [loss(torch.tensor([logit])).item() for logit in (-3.0, 0.0, 3.0)]
        assert values == sorted(values, reverse=True)


def test_extreme_logits_stay_finite() -> None:
    logits = torch.tensor([-1e4, 1e4])
    for value in (cross_entropy_discriminator_loss(logits, logits), non_saturating_generator_loss(logits)):
        assert value.isfinite()


# At D(x) = D(G(z)) = 1/2, where the densities are equal: -2 log(1/2), -log(1/2), and so on.
@pytest.mark.parametrize(
    ("name", "output", "discriminator", "generator"),
    [
        ("minimax", 0.0, 2 * math.log(2), -math.log(2)),
        ("non_saturating", 0.0, 2 * math.log(2), math.log(2)),
        ("wasserstein", 0.7, 0.0, -0.7),
        ("least_squares", 0.5, 0.5, 0.25),
        ("hinge", 0.0, 2.0, 0.0),
    ],
)
def test_objectives_at_equality(name: str, output: float, discriminator: float, generator: float) -> None:
    objective = make_objective(name)  # type: ignore[arg-type]
    outputs = torch.full((3, 2), output)
    assert objective.discriminator(outputs, outputs).item() == pytest.approx(discriminator)
    assert objective.generator(outputs).item() == pytest.approx(generator)


@pytest.mark.parametrize(("name", "best"), [("non_saturating", 0.0), ("least_squares", 0.5)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.3])
def test_the_best_answer_to_equal_densities_is_that_of_the_labels(name: str, best: float, smoothing: float) -> None:
    """Where real and generated are as likely, least squares' best answer is the mean label, D's its odds."""
    objective = make_objective(name, smoothing)  # type: ignore[arg-type]
    outputs = torch.linspace(-3, 3, 60001, dtype=torch.float64, requires_grad=True)
    objective.discriminator(outputs, outputs).backward()
    mean_label = (1 - smoothing) / 2
    expected = mean_label if name == "least_squares" else math.log(mean_label / (1 - mean_label))
    # Each output has a loss of its own, convex, so its minimum is where the slope vanishes.
    slope = outputs.grad
    assert (slope.diff() > 0).all()  # type: ignore[union-attr]
    assert outputs[slope.abs().argmin()].item() == pytest.approx(expected, abs=1e-3)  # type: ignore[union-attr]
    assert smoothing or expected == pytest.approx(best)


def test_smoothed_cross_entropy_is_that_of_the_smoothed_label() -> None:
    real, fake = torch.randn(2, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).unbind()
    expected = binary_cross_entropy(real.sigmoid(), torch.full_like(real, 0.9))
    expected = expected + binary_cross_entropy(fake.sigmoid(), torch.zeros_like(fake))
    torch.testing.assert_close(make_objective("minimax", 0.1).discriminator(real, fake), expected)


def test_beyond_the_margin_hinge_counts_no_more() -> None:
    real, fake = torch.tensor([1.0, 5.0], requires_grad=True), torch.tensor([-2.0, 0.5], requires_grad=True)
    loss = make_objective("hinge").discriminator(real, fake)
    assert loss.item() == pytest.approx(0.75)
    loss.backward()
    assert real.grad.tolist() == [0, 0]  # type: ignore[union-attr]
    assert fake.grad.tolist() == [0, 0.5]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "smoothing", "message"),
    [("hinge", 0.1, "no labels"), ("wasserstein", 0.1, "no labels"), ("minimax", 0.6, "smoothing"), ("best", 0, "one")],
)
def test_objectives_that_do_not_do(name: str, smoothing: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_objective(name, smoothing)  # type: ignore[arg-type]


def test_r1_is_the_squared_slope_at_real_images() -> None:
    real = torch.randn(16, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    direction = torch.linspace(-1, 1, 16, dtype=torch.float64).view(1, 4, 4)
    for scale in (0.0, 1.0, 3.0):
        weight = torch.tensor(scale, dtype=torch.float64, requires_grad=True)
        penalty = r1_penalty(lambda x, weight=weight: weight * (x * direction).sum((1, 2, 3)), real)  # type: ignore[misc]
        assert penalty.item() == pytest.approx(scale**2 * direction.square().sum().item())
        penalty.backward()
        assert weight.grad.item() == pytest.approx(2 * scale * direction.square().sum().item())  # type: ignore[union-attr]
    # (x . x) / 2 has the slope x.
    quadratic = r1_penalty(lambda x: x.square().sum((1, 2, 3)) / 2, real)
    torch.testing.assert_close(quadratic, real.square().sum((1, 2, 3)).mean())
