"""NCSN++ and its relatives: the authors' parameter counts, what the networks depend on, and their filters."""

from functools import partial
from typing import Any

import pytest
import torch

from genbench.networks.ddgan_discriminator import DDGANDiscriminator
from genbench.networks.ncsnpp import NCSNpp
from genbench.networks.ncsnpp_blocks import Resample
from tests.kinds import classes

NARROW: dict[str, Any] = {"width": 8, "multipliers": (1, 2), "blocks": 1, "attention": (4,), "dropout": 0.0}
NCSN = {"time": "fourier", "time_scale": 1.0, "resampling": "fir", "input_pyramid": "residual"}
LATENT = {"latent_dim": 100, "blocks": 2, "resampling": "fir", "input_pyramid": "residual"}


def randomised(network: torch.nn.Module) -> torch.nn.Module:
    """Draw all weights anew: at first the network is almost zero by design."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network.eval()


# Counted in the authors' networks with their configurations; of NCSN++ without its random frequencies.
COUNTS = {
    "DDPM++ cont.": (partial(NCSNpp, (3, 32, 32)), 61_804_419),
    "DDPM++ cont. deep": (partial(NCSNpp, (3, 32, 32), blocks=8), 106_632_579),
    "NCSN++ cont.": (partial(NCSNpp, (3, 32, 32), **NCSN), 62_758_787),  # type: ignore[arg-type]
    "NCSN++ on CelebA": (partial(NCSNpp, (3, 64, 64), input_pyramid="residual", resampling="fir"), 62_693_251),
    "EDM": (partial(NCSNpp, (3, 32, 32), multipliers=(2, 2, 2)), 55_732_739),
    "DDGAN's G": (partial(NCSNpp, (3, 32, 32), **LATENT), 48_432_515),  # type: ignore[arg-type]
    "DDGAN's G on LSUN": (
        partial(NCSNpp, (3, 256, 256), **LATENT, width=64, multipliers=(1, 1, 2, 2, 4, 4), latent_layers=3),  # type: ignore[arg-type]
        39_726_979,
    ),
    "DDGAN's D": (partial(DDGANDiscriminator, (6, 32, 32)), 12_741_633),
    "DDGAN's D on LSUN": (
        partial(DDGANDiscriminator, (6, 256, 256), multipliers=(2, 4, 4, 4, 4, 4), first_keeps=False),
        27_737_217,
    ),
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_are_the_authors(name: str) -> None:
    build, expected = COUNTS[name]
    with torch.device("meta"):
        assert sum(p.numel() for p in build().parameters()) == expected


@pytest.mark.parametrize("settings", [{}, NCSN, {**NCSN, "input_pyramid": "sum", "output_pyramid": "sum"}])
def test_every_parameter_matters_and_time_and_class_do(settings: dict[str, Any]) -> None:
    network = randomised(NCSNpp((1, 8, 8), classes(3), **NARROW | settings))
    x_t, t, y = torch.randn(1, 1, 8, 8).expand(3, -1, -1, -1), torch.tensor([0.1, 0.9, 0.1]), torch.tensor([0, 0, 2])
    out = network(x_t, t, y)
    assert out.shape == (3, 1, 8, 8)
    assert not torch.allclose(out[0], out[1], atol=1e-3)
    assert not torch.allclose(out[0], out[2], atol=1e-3)
    torch.testing.assert_close(network(x_t, t), network(x_t, t, torch.full((3,), 3)))
    network(torch.randn(8, 1, 8, 8), torch.rand(8), torch.arange(8) % 4).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


def test_times_are_fed_as_the_authors_do() -> None:
    """T t - 1 of a chain is its step, counted from 0; 999 - 999 t of NCSN is its level, counted from the noise."""
    x_t, t = torch.randn(4, 1, 8, 8), torch.arange(1, 5) / 4
    steps = randomised(NCSNpp((1, 8, 8), **NARROW, time_scale=4.0, time_shift=-1.0))
    counted = randomised(NCSNpp((1, 8, 8), **NARROW, time_scale=1.0))
    torch.testing.assert_close(steps(x_t, t), counted(x_t, torch.arange(4.0)))
    levels = randomised(NCSNpp((1, 8, 8), **NARROW, time_scale=-999.0, time_shift=999.0))
    torch.testing.assert_close(levels(x_t, 1 - torch.arange(4) / 999), counted(x_t, torch.arange(4.0)))
    # The sinusoids themselves, of integer steps.
    features = counted.embed_time[0](torch.tensor([3.0]) / 1000)[0]
    frequencies = 10000 ** (-torch.arange(4) / 3)
    torch.testing.assert_close(features, torch.cat([(3 * frequencies).sin(), (3 * frequencies).cos()]))


def test_the_latent_reaches_every_norm_of_the_residual_blocks() -> None:
    network = randomised(NCSNpp((1, 8, 8), **NARROW | {"latent_dim": 5, "latent_width": 16}))
    x_t, t, z = torch.randn(2, 1, 8, 8), torch.rand(2), torch.randn(2, 5)
    out = network(x_t, t, None, z)
    assert not torch.allclose(out, network(x_t, t, None, -z))
    # Only the latent's direction counts.
    torch.testing.assert_close(out, network(x_t, t, None, 3 * z), rtol=1e-4, atol=1e-4)
    names = {name for name, _ in network.named_parameters()}
    blocks = {name.removesuffix(".first.weight") for name in names if name.endswith(".first.weight")}
    norms = ("first_norm", "second_norm")
    assert {f"{block}.{norm}.from_latent.weight" for block in blocks for norm in norms} <= names


def test_networks_begin_at_almost_zero_with_fan_average_weights() -> None:
    torch.manual_seed(0)
    network = NCSNpp((1, 8, 8), **NARROW | {"width": 32})
    assert network(torch.randn(2, 1, 8, 8), torch.rand(2)).abs().max() < 1e-3
    block = network.down[0].blocks[0].block
    assert block.first.weight.abs().max().item() == pytest.approx((6 / (9 * 64)) ** 0.5, rel=0.01)
    assert 0 < block.second.weight.abs().max() < 1e-5
    discriminator = DDGANDiscriminator((2, 16, 16), width=16, multipliers=(1, 2))
    assert discriminator.blocks[0].first.weight.abs().max().item() == pytest.approx((3 / (9 * 16)) ** 0.5, rel=0.01)
    assert 0 < discriminator.last.weight.abs().max() < 1e-5


def test_filters_keep_constants_and_are_each_others_adjoint() -> None:
    x, y = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 4, 4)
    for name, margin in (("plain", 0), ("fir", 1)):
        filters = Resample(name)  # type: ignore[arg-type]
        inner = slice(margin, -margin or None)
        for resized in (filters.down(torch.ones(1, 1, 8, 8)), filters.up(torch.ones(1, 1, 8, 8))):
            torch.testing.assert_close(resized[..., inner, inner], torch.ones_like(resized[..., inner, inner]))
        assert filters.up(y).shape == x.shape
        torch.testing.assert_close((filters.down(x) * y).sum() * 4, (x * filters.up(y)).sum(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(Resample("plain").down(x), torch.nn.functional.avg_pool2d(x, 2))
    torch.testing.assert_close(Resample("plain").up(y), torch.nn.functional.interpolate(y, scale_factor=2.0))
    # An impulse shows the outer product of the taps 1, 3, 3, 1.
    impulse = torch.zeros(1, 1, 4, 4)
    impulse[0, 0, 1, 1] = 16.0
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    torch.testing.assert_close(Resample("fir").up(impulse)[0, 0, 1:5, 1:5], taps.outer(taps))


def test_the_discriminator_depends_on_all_that_it_is_given() -> None:
    network = randomised(DDGANDiscriminator((2, 16, 16), classes(3), width=8, multipliers=(1, 2), time_width=16))
    x, t, y = torch.randn(8, 2, 16, 16), torch.full((8,), 0.25), torch.zeros(8, dtype=torch.long)
    out = network(x, t, y)
    assert out.shape == (8, 1)
    for words in ((x.flip(1), t, y), (x, t * 2, y), (x, t, y + 1)):
        assert not torch.allclose(network(*words), out)
    with pytest.raises(ValueError, match="condition is missing"):
        network(x, t)


def test_settings_that_do_not_do() -> None:
    for settings, message in (
        ({"resampling": "bilinear"}, "resampling must be"),
        ({"input_pyramid": "cat"}, "input_pyramid must be"),
        ({"output_pyramid": "residual"}, "output_pyramid must be"),
    ):
        with pytest.raises(ValueError, match=message):
            NCSNpp((3, 32, 32), **settings)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="multiple of 8"):
        NCSNpp((3, 28, 28))
    with pytest.raises(ValueError, match="images"):
        NCSNpp((16, 3))
    with pytest.raises(ValueError, match="multiple of 8, not 28 x 28"):
        DDGANDiscriminator((6, 28, 28))
