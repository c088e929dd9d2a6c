"""Improved DDPM: what its loss trains, what its outputs mean, and that the learned variance lowers the bound."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.conditions.base import Condition
from genbench.diffusion.likelihood import LEVEL
from genbench.diffusion.processes import DiscreteProcess
from genbench.diffusion.samplers import ancestral
from genbench.medium import Images
from genbench.methods.denoising.ddpm import DDPM
from genbench.methods.denoising.improved_ddpm import ImprovedDDPM
from genbench.randomness import Noise
from tests.kinds import classes

SHAPE = (1, 2, 2)
MEAN, SPREAD = 0.1, 0.3


class Known(nn.Module):
    """Predict the exact eps of pixels N(MEAN, SPREAD^2), scaled by a parameter, and a variance from another."""

    def __init__(
        self, shape: Sequence[int], condition: Condition | None, outputs: int = 1, process: Any = None
    ) -> None:
        super().__init__()
        self.process, self.outputs = process, outputs
        self.scale, self.variance = nn.Parameter(torch.ones(())), nn.Parameter(torch.zeros(()))

    def forward(self, x_t: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        alpha, sigma = (value.view(-1, 1, 1, 1) for value in (self.process.alpha(t), self.process.sigma(t)))
        eps = self.scale * sigma * (x_t - alpha * MEAN) / (alpha**2 * SPREAD**2 + sigma**2)
        return eps if self.outputs == 1 else torch.cat([eps, self.variance.expand_as(eps)], dim=1)


def make(kind: type[DDPM] = ImprovedDDPM, **settings: Any) -> Any:
    torch.manual_seed(0)
    # The exact network computes with the times that it is given.
    process = DiscreteProcess("cosine", 100, first_index=1)
    defaults: dict[str, Any] = {
        "process": process,
        "sampler": partial(ancestral, steps=100),
        "optimizer": partial(torch.optim.Adam, lr=1e-2),
        "ema_decay": 0.0,
    }
    return kind(partial(Known, process=process), Images(SHAPE), classes(3), **(defaults | settings))


def gaussian_images(count: int) -> Tensor:
    x = MEAN + SPREAD * torch.randn(count, *SHAPE)
    return ((x / LEVEL).round() * LEVEL).clamp(-127 * LEVEL, 127 * LEVEL)


def gradients(method: Any, *, bound_weight: float | None = None) -> tuple[float, float]:
    if bound_weight is not None:
        method.bound_weight = bound_weight
    torch.manual_seed(1)
    x_0 = gaussian_images(200)
    method.denoiser.zero_grad()
    method.losses(x_0, method.draw_times(200)[0], None).mean().backward()
    return float(method.denoiser.scale.grad), float(method.denoiser.variance.grad)


def test_in_the_hybrid_loss_the_bound_trains_the_variance_alone() -> None:
    method = make()
    with torch.no_grad():
        method.denoiser.scale.fill_(0.8)
    alone, with_bound = gradients(method, bound_weight=0.0), gradients(method, bound_weight=0.001)
    assert alone[1] == 0
    assert with_bound[0] == pytest.approx(alone[0], rel=1e-6)
    assert with_bound[1] != 0
    assert gradients(method, bound_weight=0.002)[1] == pytest.approx(2 * with_bound[1], rel=1e-5)


def test_the_bound_alone_trains_both() -> None:
    method = make(objective="bound", times="importance")
    with torch.no_grad():
        method.denoiser.scale.fill_(0.8)
    assert all(gradients(method))


def test_the_mean_loss_of_the_bound_is_the_sum_of_its_terms() -> None:
    method = make(objective="bound")
    x_0 = gaussian_images(40)
    terms = torch.stack([method.bound_terms(x_0, noise=Noise(seed)) for seed in range(5)])
    steps = torch.arange(1, 101) / 100
    found = torch.stack([method.losses(x_0, t.expand(40), None) for t in steps.repeat(5)])
    expected = terms[..., :-1].sum(-1).mean().item()
    assert found.mean().item() == pytest.approx(expected, rel=0.03)


def test_the_learned_variance_beats_both_bounds() -> None:
    """Of data as wide as these the best variance lies between; training finds it and the bound falls."""
    method = make(objective="bound")
    optimizer = torch.optim.Adam([method.denoiser.variance], lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        method.losses(gaussian_images(256), method.draw_times(256)[0], None).mean().backward()
        optimizer.step()
    x_0, values = gaussian_images(4000), {}
    for name, variance in (("learned", method.denoiser.variance.item()), ("posterior", -1.0), ("step", 1.0)):
        with torch.no_grad():
            method.denoiser.variance.fill_(variance)
        method.average.update_parameters(method.denoiser)
        values[name] = method.bits_per_dim(x_0, noise=Noise(0)).mean().item()
    assert values["learned"] <= min(values["posterior"], values["step"]) + 1e-3
    truth = -(torch.distributions.Normal(MEAN, SPREAD).log_prob(x_0).mean() / math.log(2) + math.log2(LEVEL)).item()
    assert truth - 0.04 < values["learned"] < truth + 0.1


def test_samples_have_the_data_s_mean_and_spread() -> None:
    method = make()
    with torch.no_grad():
        method.denoiser.variance.fill_(0.9)
    method.average.update_parameters(method.denoiser)
    images = method.sample(1000, noise=Noise(0))
    assert images.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert images.std().item() == pytest.approx(SPREAD, rel=0.05)


def test_plain_ddpm_has_a_bound_too() -> None:
    found = make(DDPM).bits_per_dim(gaussian_images(300), noise=Noise(0)).mean().item()
    assert math.log2(SPREAD * math.sqrt(2 * math.pi * math.e) / LEVEL) < found < 9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objective": "vlb"}, "objective must be"),
        ({"times": "uneven"}, "times must be"),
        ({"bound_weight": -1.0}, "bound_weight"),
    ],
)
def test_settings_that_do_not_do(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**settings)


def test_guidance_leads_the_prediction_and_leaves_the_variance() -> None:
    method = make(conditional=True)
    told, untold = torch.randn(2, 3, 2 * SHAPE[0], *SHAPE[1:]).unbind()
    (predicted, variance), (without, _) = told.chunk(2, dim=1), untold.chunk(2, dim=1)
    expected = torch.cat([1.5 * predicted - 0.5 * without, variance], dim=1)
    torch.testing.assert_close(method.guide(told, untold, 0.5), expected)
