"""CycleGAN: its losses, its directions and its falling rate."""

from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.abilities import TranslatesBack
from genbench.batch import Batch
from genbench.conditions.source_images import SourceImages
from genbench.methods.adversarial.cyclegan import CycleGAN
from genbench.methods.learning_rates import LinearDecay
from genbench.networks.patchgan import PatchGAN
from genbench.networks.resnet_translation import ResNetTranslator
from genbench.randomness import Noise


class Shift(nn.Module):
    """A generator that adds a number."""

    def __init__(self, **shapes: Any) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.tensor(0.0))

    def forward(self, images: Tensor) -> Tensor:
        return images + self.shift


class Mean(nn.Module):
    """A discriminator whose score is the mean."""

    def __init__(self, **shapes: Any) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * images.mean((1, 2, 3))


def make(generator: Any = Shift, discriminator: Any = Mean, **settings: Any) -> CycleGAN:
    torch.manual_seed(0)
    optimizers = {"generator_optimizer": torch.optim.Adam, "discriminator_optimizer": torch.optim.Adam}
    shape = settings.pop("shape", (1, 8, 8))
    condition = settings.pop("condition", SourceImages(shape))
    return CycleGAN(generator, discriminator, shape, condition, **optimizers, **settings)


def test_losses_against_sums_by_hand() -> None:
    """With x = 0 and y = 1, G adds 0.5 and F adds -0.25, and a discriminator says the mean."""
    method = make()
    with torch.no_grad():
        method.generator.forth.shift.fill_(0.5)  # type: ignore[union-attr]
        method.generator.back.shift.fill_(-0.25)  # type: ignore[union-attr]
    batch = Batch(torch.ones(2, 1, 8, 8), torch.zeros(2, 1, 8, 8))
    loss, figures = method.generator_loss(batch)
    # G(x) = 0.5 and F(y) = 0.75 should be scored 1; both cycles miss by 0.25; identity by 0.5 and 0.25.
    assert figures["loss/adversarial"].item() == pytest.approx(0.25 + 0.0625)
    assert figures["loss/cycle"].item() == pytest.approx(0.5)
    assert figures["loss/identity"].item() == pytest.approx(0.75)
    assert loss.item() == pytest.approx(0.3125 + 10 * 0.5 + 5 * 0.75)
    loss, figures = method.discriminator_loss(batch)
    # D_Y: (1 - 1)^2 + 0.5^2; D_X: (0 - 1)^2 + 0.75^2; both halved.
    assert figures["loss/discriminator_y"].item() == pytest.approx(0.125)
    assert figures["loss/discriminator_x"].item() == pytest.approx(0.78125)
    assert loss.item() == pytest.approx(0.125 + 0.78125)


def test_both_directions_come_from_the_averaged_weights() -> None:
    method = make()
    assert isinstance(method, TranslatesBack)
    method.average.module.forth.shift.fill_(0.5)
    method.average.module.back.shift.fill_(-0.25)
    images = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(method.sample(3, images, noise=Noise(0)), images + 0.5)
    torch.testing.assert_close(method.sample_back(3, images, noise=Noise(0)), images - 0.25)


def test_gradients_reach_both_players_of_both_domains() -> None:
    method = make(
        partial(ResNetTranslator, width=4, blocks=1),
        partial(PatchGAN, width=4, layers=1, norm="instance"),
        shape=(1, 16, 16),
    )
    batch = Batch(torch.randn(2, 1, 16, 16).clamp(-1, 1), torch.randn(2, 1, 16, 16).clamp(-1, 1))
    method.generator_loss(batch)[0].backward()
    assert all(
        parameter.grad is not None and parameter.grad.isfinite().all() for parameter in method.generator.parameters()
    )
    method.zero_grad()
    method.discriminator_loss(batch)[0].backward()
    assert all(parameter.grad is not None for parameter in method.discriminator.parameters())
    assert all(parameter.grad is None for parameter in method.generator.parameters())


def test_the_rate_is_constant_then_falls_in_a_line() -> None:
    schedule = make(schedule=LinearDecay(199, constant_steps=100)).schedule
    assert [schedule(step) for step in (0, 50, 99)] == [1, 1, 1]
    fall = [schedule(step) for step in range(100, 199)]
    assert fall[0] == pytest.approx(0.99)
    assert fall[-1] == pytest.approx(0.01)
    assert all(a - b == pytest.approx(0.01) for a, b in pairwise(fall))
    assert make().schedule(10**9) == 1


def test_what_does_not_do() -> None:
    with pytest.raises(ValueError, match="two domains"):
        make(condition=None)
    with pytest.raises(ValueError, match="identity_weight"):
        make(condition=SourceImages((3, 8, 8)))
    make(condition=SourceImages((3, 8, 8)), identity_weight=0.0)
    for name in ("cycle_weight", "pool_size"):
        with pytest.raises(ValueError, match=name):
            make(**{name: -1})
    method = make()
    for draw in (method.sample, method.sample_back):
        with pytest.raises(ValueError, match="2 "):
            draw(2, noise=Noise(0))
