"""Clamping with a way back."""

import torch

from genbench.clamping import clamp_with_gradient


def test_saturated_values_have_the_gradient_that_leads_back_alone() -> None:
    x = torch.tensor([-2.0, -2.0, 0.3, 2.0, 2.0], requires_grad=True)
    clamped = clamp_with_gradient(x, -1, 1)
    assert torch.equal(clamped, x.clamp(-1, 1))
    # A step against the gradient: of values below the range upwards, of those above downwards.
    (gradient,) = torch.autograd.grad(clamped, x, torch.tensor([-1.0, 1.0, 1.0, 1.0, -1.0]))
    assert gradient.tolist() == [-1, 0, 1, 1, 0]


def test_a_saturated_value_is_led_back() -> None:
    x = torch.tensor([3.0], requires_grad=True)
    optimizer = torch.optim.SGD([x], lr=0.5)
    for _ in range(20):
        optimizer.zero_grad()
        (clamp_with_gradient(x, -1, 1) - 0.5).square().sum().backward()
        optimizer.step()
    torch.testing.assert_close(x.detach(), torch.tensor([0.5]))
