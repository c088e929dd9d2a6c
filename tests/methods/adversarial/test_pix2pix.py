"""pix2pix: its losses, its parts by themselves and its dropout as noise."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

from genbench.batch import Batch
from genbench.conditions.base import Conditions
from genbench.conditions.source_images import SourceImages
from genbench.methods.adversarial.pix2pix import Pix2Pix
from genbench.networks.patchgan import PatchGAN
from genbench.networks.unet_translation import UNetTranslator
from genbench.randomness import CHUNK, Noise
from genbench.sampling import sample_set

SOURCES = SourceImages((3, 16, 16))


class Negative(nn.Module):
    """A generator that inverts, up to a weight, and takes no noise."""

    def __init__(self, **shapes: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(-0.5))

    def forward(self, source: Tensor, uniform: Any = None) -> Tensor:
        return self.weight * source


def make(generator: Any = Negative, **settings: Any) -> Pix2Pix:
    torch.manual_seed(0)
    discriminator = partial(PatchGAN, width=4, layers=1, norm="instance")
    optimizers = {"generator_optimizer": torch.optim.Adam, "discriminator_optimizer": torch.optim.Adam}
    return Pix2Pix(generator, discriminator, (1, 16, 16), SOURCES, **optimizers, **settings)


class OneChannel(Negative):
    def forward(self, source: Tensor, uniform: Any = None) -> Tensor:
        return self.weight * source[:, :1]


def batch() -> Batch:
    return Batch(torch.randn(3, 1, 16, 16), torch.randn(3, 3, 16, 16))


def test_losses_are_the_papers() -> None:
    method = make(OneChannel, l1_weight=7.0, adversarial_weight=0.5)
    y, x = batch()
    y_fake = -0.5 * x[:, :1]
    real, fake = (method.discriminator(torch.cat([x, images], 1)) for images in (y, y_fake))
    ones, zeros = torch.ones_like(real), torch.zeros_like(real)
    loss, figures = method.discriminator_loss(Batch(y, x))
    expected = binary_cross_entropy_with_logits(real, ones) + binary_cross_entropy_with_logits(fake, zeros)
    torch.testing.assert_close(loss, expected / 2)
    assert figures["adversary/d_real"].item() == pytest.approx(real.sigmoid().mean().item())
    loss, figures = method.generator_loss(Batch(y, x))
    expected = 0.5 * binary_cross_entropy_with_logits(fake, ones) + 7 * l1_loss(y_fake, y)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(figures["loss/l1"], l1_loss(y_fake, y))


@pytest.mark.parametrize(
    ("settings", "adversarial", "l1"), [({"l1_weight": 0.0}, 1, 0), ({"adversarial_weight": 0.0}, 0, 100)]
)
def test_each_part_can_stand_alone(settings: dict[str, float], adversarial: int, l1: int) -> None:
    method = make(OneChannel, **settings)
    y, x = batch()
    loss, _ = method.generator_loss(Batch(y, x))
    logits = method.discriminator(torch.cat([x, -0.5 * x[:, :1]], 1))
    expected = adversarial * nn.functional.softplus(-logits).mean() + l1 * l1_loss(-0.5 * x[:, :1], y)
    torch.testing.assert_close(loss, expected)


def test_dropout_is_drawn_from_the_noise_alone() -> None:
    method = make(partial(UNetTranslator, width=4)).eval()
    # As it begins, what dropout changes is less than a level of uint8.
    for parameter in method.average.parameters():
        nn.init.normal_(parameter, std=0.2)
    sources = Conditions(SOURCES, torch.randint(0, 256, (CHUNK + 5, 3, 16, 16), dtype=torch.uint8))
    one, two, three = (sample_set(method.sample, len(sources), seed, method.medium, sources) for seed in (3, 3, 4))
    assert torch.equal(one, two)
    assert not torch.equal(one, three)
    few = sample_set(method.sample, 10, 3, method.medium, sources[:10])
    assert torch.equal(few, one[:10])


def test_dropout_keeps_the_mean() -> None:
    torch.manual_seed(0)
    network = UNetTranslator((1, 16, 16), width=8, dropout=0.25).eval()
    kept: list[Tensor] = []

    def uniform(*shape: int) -> Tensor:
        kept.append(torch.rand(*shape))
        return kept[-1]

    with torch.no_grad():
        network(torch.randn(64, 1, 16, 16), uniform)
    assert (torch.cat([part.flatten() for part in kept]) >= 0.25).double().mean().item() == pytest.approx(
        0.75, abs=0.01
    )


def test_what_does_not_do() -> None:
    method = make(OneChannel)
    with pytest.raises(ValueError, match="2 samples take as many conditions"):
        method.sample(2, noise=Noise(0))
    with pytest.raises(ValueError, match="2 samples take as many source images"):
        method.sample(2, torch.zeros(3, 3, 16, 16), noise=Noise(0))
    for settings in ({"l1_weight": -1.0}, {"l1_weight": 0.0, "adversarial_weight": 0.0}):
        with pytest.raises(ValueError, match="l1_weight"):
            make(OneChannel, **settings)
    optimizers = {"generator_optimizer": torch.optim.Adam, "discriminator_optimizer": torch.optim.Adam}
    with pytest.raises(ValueError, match="pairs of images"):
        Pix2Pix(Negative, PatchGAN, (1, 16, 16), None, **optimizers)
    with pytest.raises(ValueError, match="dropout"):
        UNetTranslator((1, 16, 16), dropout=1.0)
