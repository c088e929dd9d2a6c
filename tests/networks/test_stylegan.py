"""StyleGAN2's networks: the authors' counts, and layers against what they stand for, written out."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from genbench.networks.resampling import Lowpass
from genbench.networks.stylegan import StyleGANDiscriminator, StyleGANGenerator, normalised, with_deviation
from genbench.networks.stylegan_layers import EqualisedConv, EqualisedLinear, ModulatedConv

COUNTS = [
    # side, what differs in each, numbers of what is shown, parameters, layers
    (1024, {}, {}, 0, 30_370_060, 29_012_513, 18),
    (512, {}, {}, 0, 30_276_583, 28_982_849, 16),
    (256, {"width": 16384}, {"width": 16384}, 0, 24_767_458, 24_001_089, 14),
    (256, {"width": 16384, "mapping_layers": 2}, {"width": 16384}, 0, 23_191_522, 24_001_089, 14),
    (256, {}, {}, 0, 30_034_338, 28_864_129, 14),
    (32, {"mapping_layers": 2}, {"has_skips": False}, 0, 19_947_539, 20_720_641, 8),
    (32, {"mapping_layers": 2}, {"has_skips": False}, 10, 20_215_315, 23_089_664, 8),
]


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("side", "ours", "theirs", "shown", "generator", "discriminator", "layers"), COUNTS)
def test_the_counts_are_the_authors(
    side: int, ours: dict[str, Any], theirs: dict[str, Any], shown: int, generator: int, discriminator: int, layers: int
) -> None:
    with torch.device("meta"):
        network = StyleGANGenerator(512, (3, side, side), shown, **ours)
        assert count(network) == generator
        assert network.styles == layers
        assert count(StyleGANDiscriminator((3, side, side), shown, **theirs)) == discriminator


def filtered(x: np.ndarray, first: int, length: int) -> np.ndarray:
    """Return numbers of a full convolution with [1, 3, 3, 1] / 8 along the last axis."""
    taps = np.array([1, 3, 3, 1]) / 8
    full = np.apply_along_axis(lambda row: np.convolve(row, taps), -1, x)
    return full[..., first : first + length]


def both_ways(x: np.ndarray, first: int, length: int) -> np.ndarray:
    return filtered(filtered(x, first, length).swapaxes(-1, -2), first, length).swapaxes(-1, -2)


def test_images_are_doubled_and_halved_as_written_out() -> None:
    x = torch.randn(2, 3, 6, 6)
    zeros = np.zeros((2, 3, 12, 12))
    zeros[:, :, ::2, ::2] = x.numpy()
    lowpass = Lowpass()
    np.testing.assert_allclose(lowpass.up(x).numpy(), 4 * both_ways(zeros, 1, 12), atol=1e-5)
    np.testing.assert_allclose(lowpass.down(x).numpy(), both_ways(x.numpy(), 2, 6)[:, :, ::2, ::2], atol=1e-5)


def test_a_constant_stays_what_it_is_away_from_the_border() -> None:
    constant = torch.full((1, 2, 8, 8), 0.7)
    for doubled in (Lowpass().up(constant), Lowpass().down(constant)):
        torch.testing.assert_close(doubled[:, :, 2:-2, 2:-2], torch.full_like(doubled[:, :, 2:-2, 2:-2], 0.7))


@pytest.mark.parametrize("doubles", [False, True])
@pytest.mark.parametrize("demodulates", [False, True])
def test_a_modulated_convolution_is_one_of_its_own_kernel_for_each_image(doubles: bool, demodulates: bool) -> None:
    torch.manual_seed(0)
    layer = ModulatedConv(5, 7, doubles=doubles, demodulates=demodulates)
    x, style = torch.randn(4, 5, 6, 6), torch.randn(4, 5)
    expected = []
    for one, scales in zip(x, style, strict=True):
        kernel = layer.weight * scales[None, :, None, None]
        if demodulates:
            kernel = kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        else:
            kernel = kernel / 45**0.5
        if doubles:
            # Zeros between the pixels, the kernel turned round as a transposed convolution has it, and the filter.
            zeros = torch.zeros(1, 5, 13, 13)
            zeros[:, :, :-1:2, :-1:2] = one
            large = conv2d(zeros[:, :, :11, :11], kernel.flip(2, 3), padding=2)
            expected.append(4 * Lowpass().smooth(large, 1)[0])
        else:
            expected.append(conv2d(one[None], kernel, padding=1)[0])
    torch.testing.assert_close(layer(x, style), torch.stack(expected), atol=1e-5, rtol=1e-4)


def test_demodulated_outputs_have_unit_deviation_whatever_the_style() -> None:
    torch.manual_seed(0)
    layer = ModulatedConv(64, 64)
    for size in (0.01, 1.0, 100.0):
        y = layer(torch.randn(8, 64, 32, 32), size * torch.randn(8, 64)).detach()[:, :, 1:-1, 1:-1]
        assert float(y.std()) == pytest.approx(1, abs=0.02)
        # The norm alone is undone, so a style of another size is the same style.
    x, style = torch.randn(2, 64, 8, 8), torch.randn(2, 64)
    torch.testing.assert_close(layer(x, 3 * style), layer(x, style), atol=1e-4, rtol=1e-4)


def test_equalised_layers_keep_the_size_of_numbers_at_any_rate() -> None:
    torch.manual_seed(0)
    x = torch.randn(512, 256)
    for rate in (1.0, 0.01):
        layer = EqualisedLinear(256, 256, rate=rate)
        assert float(layer(x).detach().std()) == pytest.approx(1, abs=0.02)
        assert float(layer.weight.detach().std()) == pytest.approx(1 / rate, rel=0.02)
        # Leaky ReLU with its gain keeps the mean square.
        active = EqualisedLinear(256, 256, rate=rate, active=True)
        assert float(active(x).detach().square().mean()) == pytest.approx(1.04, abs=0.03)
    maps = EqualisedConv(32, 32, active=False)(torch.randn(4, 32, 16, 16))
    assert float(maps.detach().std()) == pytest.approx(1, abs=0.05)


def test_latents_are_divided_by_their_root_mean_square() -> None:
    z = 7 * torch.randn(5, 32)
    torch.testing.assert_close(normalised(z).norm(dim=1), torch.full((5,), 32**0.5))


def generator(**settings: Any) -> StyleGANGenerator:
    torch.manual_seed(0)
    return StyleGANGenerator(16, (3, 32, 32), w_dim=16, width=256, mapping_layers=2, **settings)


def test_each_w_changes_its_own_layer_and_what_follows() -> None:
    network = generator().eval()
    w = network.repeated(network.mapping(torch.randn(2, 16)))
    image = network.synthesise(w)
    for layer in range(network.styles):
        other = w.clone()
        other[:, layer] += 1
        assert not torch.allclose(network.synthesise(other), image, atol=1e-3), layer
    # The last is that of the image's own layer at full size, which has no maps after it.
    other = w.clone()
    other[:, -1] += 1
    maps = []
    hook = network.blocks[-1].layer.register_forward_hook(lambda *call: maps.append(call[2]))
    network.synthesise(w), network.synthesise(other)
    hook.remove()
    assert torch.equal(maps[0], maps[1])


def test_noise_is_fresh_in_training_and_fixed_otherwise_and_nothing_at_first() -> None:
    network, z = generator(), torch.randn(2, 16)
    assert torch.equal(network.train()(z), network(z))
    for name, parameter in network.named_parameters():
        if name.endswith("noise_strength"):
            nn.init.constant_(parameter, 0.5)
    assert not torch.allclose(network(z), network(z), atol=1e-3)
    network.eval()
    assert torch.equal(network(z), network(z))


def test_the_deviation_among_images_is_a_feature() -> None:
    def deviation(x: Tensor, group: int) -> Tensor:
        return with_deviation(x, group)[:, -1, 0, 0]

    torch.manual_seed(0)
    x = torch.randn(8, 3, 4, 4)
    found = deviation(x, 4)
    for first in range(2):
        own = x[first::2]
        expected = own.var(0, unbiased=False).add(1e-8).sqrt().mean()
        torch.testing.assert_close(found[first::2], expected.expand(4))
    assert float(deviation(x[:1].expand(4, -1, -1, -1), 4).max()) < 1e-3
    # A batch that is no multiple of the group has smaller ones.
    assert deviation(x[:6], 4).shape == (6,)
    torch.testing.assert_close(with_deviation(x, 4)[:, :3], x)


def test_what_is_shown_changes_images_and_logits() -> None:
    network, z = generator(condition_dim=3).eval(), torch.randn(1, 16)
    one, other = torch.eye(3)[:1], torch.eye(3)[1:2]
    assert not torch.allclose(network(z, one), network(z, other), atol=1e-3)
    discriminator = StyleGANDiscriminator((3, 32, 32), 3, width=256)
    image = torch.randn(1, 3, 32, 32)
    assert not torch.allclose(discriminator(image, one), discriminator(image, other), atol=1e-4)


@pytest.mark.parametrize(("side", "layers"), [(28, 6), (8, 4), (48, 8), (10, 4)])
def test_other_even_sizes_begin_with_other_maps(side: int, layers: int) -> None:
    network = StyleGANGenerator(8, (1, side, side), width=64, w_dim=8)
    assert network.styles == layers
    images = network(torch.randn(2, 8))
    assert images.shape == (2, 1, side, side)
    assert StyleGANDiscriminator((1, side, side), width=64)(images).shape == (2,)


@pytest.mark.parametrize("shape", [(3, 25, 25), (3, 4, 4), (3, 32, 64)])
def test_what_can_not_be_halved_is_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="even side of at least 8 pixels"):
        StyleGANGenerator(8, shape)
    with pytest.raises(ValueError, match="even side of at least 8 pixels"):
        StyleGANDiscriminator(shape)
