"""Distances of pictures to texts, against closed forms."""

import math

import pytest
import torch

from genbench.text_losses import cosine_distance, directional_distance, spherical_distance, weighted


def test_the_spherical_distance_is_half_of_the_squared_angle() -> None:
    u = torch.tensor([[2.0, 0, 0]])
    for angle in (0.0, 0.3, math.pi / 2, 2.5):
        v = 3 * torch.tensor([[math.cos(angle), math.sin(angle), 0]])
        assert float(spherical_distance(u, v)) == pytest.approx(angle**2 / 2, abs=1e-5)
    # By the sines of half angles nothing is lost near opposite directions but what a float rounds.
    assert float(spherical_distance(u, -u)) == pytest.approx(math.pi**2 / 2, rel=2e-3)


def test_distances_have_gradients_everywhere() -> None:
    u = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    v = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    spherical_distance(u, v).sum().backward()
    assert u.grad is not None
    assert u.grad.isfinite().all()
    # At the text itself there is nothing to do; away from it, the angle falls by moving to it.
    assert u.grad[0].abs().max() == 0
    assert u.grad[2, 1] == pytest.approx(-math.pi / 2, abs=1e-4)


def test_directions_that_agree_have_no_distance() -> None:
    before, source, target = torch.eye(4)[:3]
    step = target - source
    after = torch.nn.functional.normalize(before, dim=0)
    # A change of embeddings of length 1 that is parallel to that of the texts.
    one, other = torch.nn.functional.normalize(torch.stack([before + step, before - step]), dim=1)
    parallel = directional_distance(one, other, target, source)
    assert float(parallel) == pytest.approx(0, abs=1e-6)
    assert float(directional_distance(other, one, target, source)) == pytest.approx(2, abs=1e-6)
    assert float(directional_distance(after, after, target, source)) == pytest.approx(1, abs=1e-6)


def test_cosines_take_vectors_of_any_length() -> None:
    u, v = torch.randn(2, 5, 8)
    expected = 1 - torch.nn.functional.cosine_similarity(u, v)
    torch.testing.assert_close(cosine_distance(3 * u, 0.1 * v), expected)


def test_weights_and_stops() -> None:
    distances = torch.tensor([0.2, 0.6], requires_grad=True)
    loss = weighted(distances, 2.0, 0.4)
    assert float(loss) == pytest.approx(2 * 0.4)
    (gradient,) = torch.autograd.grad(loss, distances)
    # Below its stop a distance has no effect any more.
    assert gradient.tolist() == [0, 1]
    away = weighted(distances, -2.0, -math.inf)
    assert float(away) == pytest.approx(-2 * 0.4)
    (gradient,) = torch.autograd.grad(away, distances)
    assert gradient.tolist() == [-1, -1]
    # Led away far enough: -0.6 is below -0.4, -0.2 is not.
    (gradient,) = torch.autograd.grad(weighted(distances, -2.0, -0.4), distances)
    assert gradient.tolist() == [-1, 0]
