"""Adversarial losses against closed forms."""

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy

from genbench.losses import cross_entropy_discriminator_loss, minimax_generator_loss, non_saturating_generator_loss


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
