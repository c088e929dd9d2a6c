"""Regression from source images, and bicubic interpolation."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.batch import Batch
from genbench.conditions.derived import LowResolution
from genbench.conditions.source_images import SourceImages
from genbench.medium import Images
from genbench.methods.translating.bicubic import Bicubic
from genbench.methods.translating.regression import Regression
from genbench.randomness import Noise

MEDIUM = Images((1, 4, 4))
SOURCES = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1


class Scaled(nn.Module):
    """Predict a multiple of the source."""

    def __init__(self, shape: Any, condition: Any) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        assert not x.any()
        assert not t.any()
        return self.factor * y


def regression(**settings: Any) -> Regression:
    return Regression(
        Scaled, MEDIUM, SourceImages((1, 4, 4)),
        **{"optimizer": partial(torch.optim.SGD, lr=0.1), "conditional": True, "ema_decay": 0.0, **settings},
    )  # fmt: skip


@pytest.mark.parametrize(("norm", "power"), [("l1", 1), ("l2", 2)])
def test_the_loss_is_the_mean_error_and_its_gradient_leads_to_the_targets(norm: str, power: int) -> None:
    method = regression(norm=norm)
    targets = 0.5 * SOURCES
    loss, _ = method.loss(Batch(targets, SOURCES))
    assert loss.item() == pytest.approx(targets.abs().pow(power).mean().item())
    loss.backward()
    assert method.network.factor.grad < 0


def test_samples_are_predictions_whatever_the_noise() -> None:
    method = regression()
    with torch.no_grad():
        method.average.module.factor.fill_(3.0)
    one, other = (method.sample(6, SOURCES, noise=Noise(seed, 0)) for seed in (0, 1))
    assert torch.equal(one, other)
    torch.testing.assert_close(one, (3 * SOURCES).clamp(-1, 1))


def test_it_takes_source_images() -> None:
    with pytest.raises(ValueError, match="regression is from source images"):
        regression(conditional=False)
    small = regression(conditional=False, derive=LowResolution(2))
    assert small.condition.shape == (1, 2, 2)
    assert small.derives_condition
    assert torch.equal(small.condition_of(Batch(SOURCES, None)), LowResolution(2)(SOURCES))


def test_a_constant_is_enlarged_to_a_constant_and_a_ramp_keeps_its_slope() -> None:
    method = Bicubic(Images((1, 16, 16)), factor=4)
    constant = torch.full((2, 1, 4, 4), 0.25)
    torch.testing.assert_close(method.sample(2, constant, noise=Noise(0, 0)), torch.full((2, 1, 16, 16), 0.25))
    wide = Bicubic(Images((1, 64, 64)), factor=4)
    ramp = torch.linspace(-0.5, 0.5, 16).expand(1, 1, 16, 16)
    large = wide.sample(1, ramp, noise=Noise(0, 0))
    # From a pixel to the same place beside the next small one.
    torch.testing.assert_close(large[..., 24:48] - large[..., 20:44], torch.full((1, 1, 64, 24), 1 / 15))


def test_the_factor_divides_the_sides() -> None:
    with pytest.raises(ValueError, match="can't be shrunk by a factor of 3"):
        Bicubic(MEDIUM, factor=3)
