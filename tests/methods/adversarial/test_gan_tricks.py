"""The tricks of the trade: each does what its paper says, and all are off by default."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD

from genbench.batch import Batch
from genbench.methods.adversarial.gan import GAN
from genbench.networks.dcgan import DCGANDiscriminator
from genbench.networks.mlp import MLPDiscriminator, MLPGenerator
from genbench.networks.normalisation import has_batch_norm, normalise_spectrally
from tests.methods.adversarial.test_gan import SHAPE, fit, make_gan, snapshot


def batch() -> Batch:
    return Batch(torch.rand(16, *SHAPE, generator=torch.Generator().manual_seed(1)) * 2 - 1, None)


class At:
    """Stands in for the trainer at a step."""

    def __init__(self, gan: GAN, step: int) -> None:
        gan._trainer = self  # type: ignore[assignment]
        self.global_step = step


def test_all_are_off_by_default() -> None:
    plain = make_gan("dcgan")
    explicit = make_gan("dcgan", label_smoothing=0.0, instance_noise=0.0, spectral_norm=False, r1=0.0)
    for gan in (plain, explicit):
        torch.manual_seed(2)
        fit(gan, 3)
    assert all(torch.equal(a, b) for a, b in zip(snapshot(plain), snapshot(explicit), strict=True))
    assert not any("parametrizations" in name for name, _ in plain.named_parameters())


def test_instance_noise_is_of_its_deviation_and_falls_linearly_to_nothing() -> None:
    gan = make_gan(instance_noise=0.8, instance_noise_steps=100)
    images = torch.zeros(500, *SHAPE)
    for step, deviation in ((0, 0.8), (25, 0.6), (50, 0.4), (100, 0.0), (1000, 0.0)):
        At(gan, step)
        assert gan.with_instance_noise(images).std().item() == pytest.approx(deviation, rel=0.02)


def test_a_spectrally_normalised_discriminator_has_layers_of_norm_one() -> None:
    torch.manual_seed(0)
    network = MLPDiscriminator(SHAPE, hidden=[32, 32])
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.data.mul_(7)
    normalise_spectrally(network)
    for _ in range(200):
        network(torch.randn(4, *SHAPE))
    network.eval()
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            assert torch.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1, abs=1e-3)
    # So its slope is at most one.
    x = torch.randn(64, *SHAPE, requires_grad=True)
    (slope,) = torch.autograd.grad(network(x).sum(), x)
    assert slope.flatten(1).norm(dim=1).max() <= 1.001


def test_r1_joins_the_discriminators_loss_by_half_its_weight() -> None:
    plain, punished = make_gan(), make_gan(r1=3.0)
    losses = []
    for gan in (plain, punished):
        torch.manual_seed(1)
        losses.append(gan.discriminator_loss(batch()))
    penalty = losses[1][1]["adversary/r1"]
    assert penalty > 0
    torch.testing.assert_close(losses[1][0], losses[0][0] + 1.5 * penalty)


@pytest.mark.parametrize("objective", ["minimax", "wasserstein", "least_squares", "hinge"])
def test_every_objective_trains_both_players(objective: str) -> None:
    gan = make_gan(objective=objective)
    before = snapshot(gan.generator), snapshot(gan.discriminator)
    fit(gan, 2)
    for old, network in zip(before, (gan.generator, gan.discriminator), strict=True):
        # Not the last bias: a number that is added to all scores cancels in differences.
        moved = [not torch.equal(a, b) for a, b in zip(old, snapshot(network), strict=True)]
        assert all(moved[:-1])


def test_r1_refuses_what_mixes_images() -> None:
    deep = partial(DCGANDiscriminator, width=4)
    assert has_batch_norm(deep((1, 16, 16)))
    assert not has_batch_norm(deep((1, 16, 16), norm="none"))
    with pytest.raises(ValueError, match="without BatchNorm"):
        GAN(MLPGenerator, deep, (1, 16, 16), r1=1.0, generator_optimizer=SGD, discriminator_optimizer=SGD)


@pytest.mark.parametrize(
    "settings", [{"instance_noise": -0.1}, {"instance_noise_steps": 0}, {"r1": -1.0}, {"label_smoothing": 0.5}]
)
def test_settings_that_do_not_do(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        make_gan(**settings)
