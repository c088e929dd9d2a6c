"""The score SDE's loss against closed forms, and its likelihood of data whose density is known."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.conditions.base import Condition
from genbench.diffusion.likelihood import LEVEL
from genbench.diffusion.processes import Process, SubVariancePreserving, VarianceExploding, VariancePreserving
from genbench.diffusion.samplers import probability_flow
from genbench.medium import Images
from genbench.methods.denoising.score_sde import ScoreSDE
from genbench.randomness import Noise

SHAPE = (1, 2, 2)
MEAN, SPREAD = 0.1, 0.25
PROCESSES: dict[str, Process] = {
    "vp": VariancePreserving(),
    "sub-vp": SubVariancePreserving(),
    "ve": VarianceExploding(0.01, 20.0),
}


class Known(nn.Module):
    """Predict the exact eps of pixels N(MEAN, SPREAD^2) from what is seen at unit scale, times a parameter."""

    def __init__(self, shape: Sequence[int], condition: Condition | None, process: Process) -> None:
        super().__init__()
        self.process = process
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, seen: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        alpha, sigma = (value.view(-1, 1, 1, 1) for value in (self.process.alpha(t), self.process.sigma(t)))
        x_t = seen * (alpha**2 + sigma**2).sqrt()
        return self.scale * sigma * (x_t - alpha * MEAN) / (alpha**2 * SPREAD**2 + sigma**2)


def make(process: str = "vp", **settings: Any) -> ScoreSDE:
    torch.manual_seed(0)
    defaults: dict[str, Any] = {
        "process": PROCESSES[process],
        "sampler": partial(probability_flow, tolerance=1e-4),
        "optimizer": partial(torch.optim.Adam, lr=1e-2),
        "ema_decay": 0.0,
    }
    method = ScoreSDE(partial(Known, process=PROCESSES[process]), Images(SHAPE), None, **(defaults | settings))
    method.average.update_parameters(method.denoiser)
    return method


def gaussian_images(count: int) -> Tensor:
    return ((MEAN + SPREAD * torch.randn(count, *SHAPE)) / LEVEL).round() * LEVEL


@pytest.mark.parametrize("process", sorted(PROCESSES))
def test_a_network_that_says_nothing_errs_by_the_score_itself(process: str) -> None:
    method = make(process)
    with torch.no_grad():
        method.denoiser.scale.fill_(0)  # type: ignore[operator]
    x_0, t = gaussian_images(4000), torch.full((4000,), 0.4)
    sigma, g_squared = (value(torch.tensor(0.4)).item() for value in (method.process.sigma, method.process.g_squared))
    # The score of x_t given x_0 is -eps / sigma, so its mean square is 1 / sigma^2.
    for weighting, expected in (("snr", 1.0), ("simple", sigma**-2), ("bound", g_squared / 2 * sigma**-2)):
        method.weighting = weighting  # type: ignore[assignment]
        assert method.losses(x_0, t, None).mean().item() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("process", sorted(PROCESSES))
def test_the_exact_score_has_the_least_loss(process: str) -> None:
    method = make(process)
    x_0, losses = gaussian_images(20_000), {}
    for scale in (0.9, 1.0, 1.1):
        torch.manual_seed(1)
        with torch.no_grad():
            method.denoiser.scale.fill_(scale)  # type: ignore[operator]
            losses[scale] = method.losses(x_0, method.draw_times(len(x_0))[0], None).mean().item()
    assert losses[1.0] < min(losses[0.9], losses[1.1])


@pytest.mark.parametrize("process", sorted(PROCESSES))
def test_bits_per_dim_of_a_gaussian_are_its_entropy(process: str) -> None:
    method, x = make(process), gaussian_images(400)
    found = method.bits_per_dim(x, noise=Noise(0))
    assert found.shape == (400,)
    entropy = math.log2(SPREAD * math.sqrt(2 * math.pi * math.e) / LEVEL)
    assert found.mean().item() == pytest.approx(entropy, abs=0.06)
    # Each image by itself, not only their mean.
    density = -(torch.distributions.Normal(MEAN, SPREAD).log_prob(x).flatten(1).mean(1) / math.log(2))
    torch.testing.assert_close(found, density - math.log2(LEVEL), atol=0.03, rtol=0)


def test_samples_have_the_datas_mean_and_spread() -> None:
    # At 1e-4 the solver may take all of t < 0.3 for one step, depending on the last bit of its slopes.
    images = make(sampler=partial(probability_flow, tolerance=1e-5)).sample(1000, noise=Noise(0))
    assert images.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert images.std().item() == pytest.approx(SPREAD, rel=0.05)


def test_half_the_sum_is_of_the_same_errors() -> None:
    x_0, t, found = gaussian_images(6), torch.full((6,), 0.4), {}
    for reduction in ("mean", "half_sum"):
        method = make(reduction=reduction)
        torch.manual_seed(5)
        found[reduction] = method.losses(x_0, t, None)
    torch.testing.assert_close(found["half_sum"], found["mean"] * 4 / 2)


class Recorder(nn.Module):
    """Keep what it is called with."""

    def __init__(self, shape: Sequence[int], condition: Condition | None) -> None:
        super().__init__()
        self.calls: list[tuple[Tensor, Tensor]] = []
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, seen: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        self.calls.append((seen, t))
        return self.bias + 0 * seen


def test_networks_are_called_as_in_the_authors_code() -> None:
    process = VarianceExploding(0.02, 100.0)
    defaults: dict[str, Any] = {
        "process": process, "sampler": probability_flow, "optimizer": torch.optim.Adam, "input_scale": "none",
    }  # fmt: skip
    x_t, t = torch.randn(3, *SHAPE), torch.tensor([0.1, 0.5012, 1.0])
    for settings, expected in (
        # The sigma of images in [0, 1].
        ({"network_time": "log_sigma"}, (process.sigma(t) / 2).log()),
        ({}, t),
        # Among eleven levels the nearest.
        ({"levels": 11}, torch.tensor([0.1, 0.5, 1.0])),
    ):
        method = ScoreSDE(Recorder, Images(SHAPE), None, **(defaults | settings))
        method.predict(method.denoiser, x_t, t, None)
        ((seen, time),) = method.denoiser.calls  # type: ignore[misc]
        torch.testing.assert_close(seen, x_t)
        torch.testing.assert_close(time, expected)
    method = ScoreSDE(Recorder, Images(SHAPE), None, **(defaults | {"input_scale": "unit_variance"}))
    method.predict(method.denoiser, x_t, t, None)
    ((seen, _),) = method.denoiser.calls  # type: ignore[misc]
    torch.testing.assert_close(seen, x_t / (1 + process.sigma(t).view(-1, 1, 1, 1) ** 2).sqrt())


def test_discrete_training_meets_the_levels_alone() -> None:
    method = make("ve", levels=5)
    t, _ = method.draw_times(400)
    assert sorted({round(time, 6) for time in t.tolist()}) == [0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"first_time": 0.0}, "first_time"),
        ({"tolerance": 0.0}, "toler"),
        ({"levels": 1}, "levels must be at least 2"),
        ({"reduction": "sum"}, "reduction must be mean or half_sum"),
        ({"network_time": "sigma"}, "network_time must be"),
        ({"input_scale": "half"}, "input_scale must be"),
    ],
)
def test_settings_that_do_not_do(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**settings)
