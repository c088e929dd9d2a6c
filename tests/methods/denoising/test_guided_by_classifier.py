"""A diffusion model and a classifier that were trained apart, and what they do together."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.diffusion.processes import DiscreteProcess
from genbench.diffusion.samplers import ddim
from genbench.medium import Images
from genbench.methods.denoising.ddpm import DDPM
from genbench.methods.denoising.guided_by_classifier import GuidedByClassifier
from genbench.methods.denoising.noisy_classifier import NoisyClassifier
from genbench.networks.timed_encoder import TimedEncoder
from genbench.parts import freeze, frozen_in
from genbench.randomness import Noise
from tests.kinds import classes

SHAPE = (1, 8, 8)
PROCESS = DiscreteProcess("cosine", 100)
ADAM = partial(torch.optim.Adam, lr=0.01)


class Nothing(nn.Module):
    """Predict no noise."""

    def __init__(self, shape: tuple[int, ...], condition: Condition | None) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        return self.bias + 0 * x_t


def classifier(process: DiscreteProcess = PROCESS, shape: tuple[int, int, int] = SHAPE) -> NoisyClassifier:
    torch.manual_seed(0)
    return NoisyClassifier(
        partial(TimedEncoder, width=8), Images(shape), classes(2), process=process, optimizer=ADAM, ema_decay=0.0
    )


def denoiser(**settings: Any) -> DDPM:
    return DDPM(Nothing, Images(SHAPE), process=PROCESS, sampler=partial(ddim, steps=10), optimizer=ADAM, **settings)


def taught() -> NoisyClassifier:
    """Return a classifier that knows bright images (1) from dark ones (0)."""
    method = classifier()
    optimizer = method.configure_optimizers()
    y = torch.arange(64) % 2
    x = (y * 2.0 - 1).view(-1, 1, 1, 1).expand(-1, *SHAPE) * 0.8
    for _ in range(60):
        optimizer.zero_grad()
        method.loss(Batch(x, y))[0].backward()
        optimizer.step()
    method.average.update_parameters(method.classifier)
    return method


def test_a_classifier_learns_most_where_there_is_least_noise() -> None:
    method = taught()
    y = torch.arange(64) % 2
    x = (y * 2.0 - 1).view(-1, 1, 1, 1).expand(-1, *SHAPE) * 0.8

    def accuracy(t: float) -> float:
        times = torch.full((64,), t)
        torch.manual_seed(1)
        x_t = method.process.diffuse(x, times, torch.randn_like(x))
        return float((method.classify(x_t, times).argmax(1) == y).float().mean())

    assert accuracy(0.05) == 1
    # Of pure noise nothing can be known.
    assert 0.3 < accuracy(1.0) < 0.7
    features = method.embed_images(x)
    assert features.shape == (64, method.embedding_dim)
    linear = method.average.module.to_outputs
    assert torch.allclose(linear(features), method.classify(x, torch.zeros(64)), atol=1e-6)


def assembled(guidance: float) -> GuidedByClassifier:
    parts = denoiser(), taught()
    for part in parts:
        freeze(part)
    return GuidedByClassifier(*parts, sampler=partial(ddim, steps=10), guidance=guidance)


def test_guidance_leads_to_the_class_and_without_it_nothing_changes() -> None:
    labels = torch.arange(8) % 2
    unled = assembled(0.0)
    plain = unled.sample(8, labels, noise=Noise(0))
    assert torch.equal(plain, unled.denoiser.sample(8, noise=Noise(0)))  # type: ignore[attr-defined]
    led = assembled(5.0).sample(8, labels, noise=Noise(0))
    brighter = (led - plain).flatten(1).mean(1)
    assert (brighter[labels == 1] > 0).all()
    assert (brighter[labels == 0] < 0).all()


def test_parts_are_no_modules_and_stay_frozen() -> None:
    method = assembled(1.0)
    assert set(frozen_in(method)) == {"denoiser", "classifier"}
    assert list(method.parameters()) == []
    assert method.state_dict() == {}
    method.train()
    for part in frozen_in(method).values():
        assert not any(module.training for module in part.modules())
        assert not any(parameter.requires_grad for parameter in part.parameters())
    # They follow it to another device or precision.
    method.to(torch.float64)
    # What changes neither leaves them where they are.
    method.to(memory_format=torch.channels_last)
    assert all(parameter.dtype == torch.float64 for parameter in method.classifier.parameters())  # type: ignore[attr-defined]


def test_what_does_not_go_together() -> None:
    sampler = partial(ddim, steps=2)
    with pytest.raises(ValueError, match="different forward processes"):
        GuidedByClassifier(denoiser(), classifier(DiscreteProcess("linear", 100)), sampler=sampler)
    with pytest.raises(ValueError, match=r"\(1, 8, 8\), and parts.classifier takes \(1, 16, 16\)"):
        GuidedByClassifier(denoiser(), classifier(shape=(1, 16, 16)), sampler=sampler)
    with pytest.raises(ValueError, match="guidance must"):
        GuidedByClassifier(denoiser(), classifier(), sampler=sampler, guidance=-1)
