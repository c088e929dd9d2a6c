"""DDPM with a classifier: what it learns, and that its samples follow it."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.conditions.base import Condition
from genbench.diffusion.processes import DiscreteProcess
from genbench.diffusion.samplers import ddim
from genbench.medium import Images
from genbench.methods.denoising.classifier_guidance import ClassifierGuidedDDPM
from genbench.randomness import Noise
from tests.kinds import classes

SHAPE = (1, 2, 2)


class Nothing(nn.Module):
    """Predict no noise."""

    def __init__(self, shape: Sequence[int], condition: Condition | None) -> None:
        super().__init__()
        assert condition is None
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        return self.bias + 0 * x_t


class Brightness(nn.Module):
    """Class 1 is bright, class 0 is dark."""

    def __init__(self, shape: Sequence[int], outputs: int) -> None:
        super().__init__()
        assert outputs == 2
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        bright = self.gain * x.flatten(1).mean(1)
        return torch.stack([-bright, bright], dim=1)


def make(**settings: Any) -> ClassifierGuidedDDPM:
    torch.manual_seed(0)
    defaults: dict[str, Any] = {
        "process": DiscreteProcess("linear", 100),
        "sampler": partial(ddim, steps=10),
        "optimizer": partial(torch.optim.Adam, lr=0.05),
        "ema_decay": 0.0,
        "classifier": Brightness,
    }
    return ClassifierGuidedDDPM(Nothing, Images(SHAPE), classes(2), **(defaults | settings))


def test_the_classifier_learns_from_noisy_images_and_the_denoiser_learns_no_classes() -> None:
    method = make()
    y = torch.arange(256) % 2
    x_0 = (y * 2 - 1).view(-1, 1, 1, 1).expand(-1, *SHAPE).float() * 0.8
    (optimizer,) = [method.configure_optimizers()]
    # Of images that are dark or bright an untrained classifier knows nothing: log 2.
    first = method.further_losses(x_0, torch.full((256,), 0.1), y)["classifier"]
    assert first.mean().item() == pytest.approx(0.6931, abs=1e-3)
    for _ in range(150):
        optimizer.zero_grad()
        t, _ = method.draw_times(256)
        (method.losses(x_0, t, y).mean() + method.further_losses(x_0, t, y)["classifier"].mean()).backward()
        optimizer.step()
    losses = [
        method.further_losses(x_0, torch.full((256,), t), y)["classifier"].mean().item() for t in (0.05, 0.5, 1.0)
    ]
    assert losses[0] < 0.3
    assert losses == sorted(losses)
    torch.manual_seed(1)
    one = method.losses(x_0, torch.full((256,), 0.3), y)
    torch.manual_seed(1)
    assert torch.equal(one, method.losses(x_0, torch.full((256,), 0.3), 1 - y))


def test_samples_follow_the_averaged_classifier() -> None:
    method = make(guidance=3.0)
    with torch.no_grad():
        method.denoiser.classifier.gain.fill_(4)  # type: ignore[union-attr, operator]
    labels = torch.arange(8) % 2
    unled = method.sample(8, labels, noise=Noise(0))
    method.average.update_parameters(method.denoiser)
    led = method.sample(8, labels, noise=Noise(0))
    brighter = (led - unled).flatten(1).mean(1)
    assert (brighter[labels == 1] > 0).all()
    assert (brighter[labels == 0] < 0).all()
    # A bound of the likelihood is that of the denoiser alone.
    bits = [method.bits_per_dim(torch.zeros(2, *SHAPE), torch.tensor([y, y]), noise=Noise(0)) for y in (0, 1)]
    assert torch.equal(*bits)


def test_settings_that_do_not_do() -> None:
    with pytest.raises(ValueError, match="guidance must"):
        make(guidance=-1.0)
    with pytest.raises(ValueError, match="data with classes"):
        ClassifierGuidedDDPM(
            Nothing,
            Images(SHAPE),
            None,
            classifier=Brightness,
            process=DiscreteProcess("linear", 100),
            sampler=partial(ddim, steps=2),
            optimizer=partial(torch.optim.Adam, lr=1.0),
        )
    with pytest.raises(ValueError, match="2 samples take as many conditions"):
        make().sample(2, noise=Noise(0))
