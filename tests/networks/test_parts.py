"""What the networks' parts compute, against their formulas."""

import math
from collections.abc import Callable
from functools import partial
from typing import get_args

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, leaky_relu, silu

from genbench.networks import resnet
from genbench.networks.dcgan import DCGANGenerator
from genbench.networks.doubling_resnet import DoublingResNetCritic, DoublingResNetGenerator
from genbench.networks.initialisation import initialise_normal
from genbench.networks.normalisation import NormName, has_batch_norm, normalisation, normalise_spectrally
from genbench.networks.time_embedding import RandomFourier, Sinusoids
from genbench.networks.timed_encoder import HalvingBlock, TimedEncoder, deviation_in_groups
from genbench.networks.unet import UNet, _latent_mapping
from genbench.networks.unet_blocks import Attention, Given, ResidualBlock, Upsample
from genbench.networks.unet_translation import DropoutLayers, UNetTranslator
from tests.kinds import classes


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def awake(network: nn.Module) -> nn.Module:
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    return network


def test_sinusoids_go_from_one_to_a_ten_thousandth() -> None:
    features = Sinusoids(8)(torch.tensor([0.0, 0.2]))
    angles = [200 * 10_000 ** (-index / 3) for index in range(4)]
    expected = [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
    torch.testing.assert_close(features[1], torch.tensor(expected), atol=1e-4, rtol=0)
    assert features[0].tolist() == [0] * 4 + [1] * 4
    assert not Sinusoids(8).state_dict()


def test_random_features_keep_their_frequencies() -> None:
    features = RandomFourier(4000, scale=2.0)
    turns = features.frequencies / (2 * math.pi)
    assert turns.std().item() == pytest.approx(2, rel=0.05)
    found = features(torch.tensor([0.25]))[0]
    torch.testing.assert_close(
        found, torch.cat([(0.25 * features.frequencies).sin(), (0.25 * features.frequencies).cos()])
    )
    assert set(features.state_dict()) == {"frequencies"}
    assert RandomFourier(4000).frequencies.std().item() == pytest.approx(16 * 2 * math.pi, rel=0.05)


@pytest.mark.parametrize("adaptive", [False, True])
def test_a_residual_block_takes_the_embedding_before_or_after_its_norm(adaptive: bool) -> None:
    block = ResidualBlock(4, 6, 5, 0.0, adaptive)
    x, embedding = torch.randn(2, 4, 3, 3), torch.randn(2, 5)
    given = Given(embedding)
    # At first it is its shortcut.
    torch.testing.assert_close(block(x, given), block.shortcut(x))
    awake(block)
    hidden = block.first[2](silu(block.first[0](x)))
    shift = block.from_embedding[1](silu(embedding))[:, :, None, None]
    norm, last = block.second[0], block.second[3]
    if adaptive:
        scale, shift = shift[:, :6], shift[:, 6:]
        hidden = norm(hidden) * (1 + scale) + shift
    else:
        hidden = norm(hidden + shift)
    torch.testing.assert_close(block(x, given), block.shortcut(x) + last(silu(hidden)))


@pytest.mark.parametrize("heads", [1, 3])
def test_attention_is_softmax_of_products_head_by_head(heads: int) -> None:
    layer, each = awake(Attention(6, heads)), 6 // heads
    x = torch.randn(2, 6, 2, 2)
    q, k, v = layer.to_qkv(layer.norm(x)).flatten(2).chunk(3, dim=1)
    seen = []
    for head in range(heads):
        own = slice(each * head, each * (head + 1))
        shares = (q[:, own].transpose(1, 2) @ k[:, own] / each**0.5).softmax(-1)
        seen.append(v[:, own] @ shares.transpose(1, 2))
    expected = x + layer.to_out(torch.cat(seen, dim=1).view_as(x))
    torch.testing.assert_close(layer(x, Given(torch.zeros(2, 1))), expected)
    assert not Attention(6, heads=2).to_out.weight.any()
    assert not Attention(6, heads=2).to_out.bias.any()


def test_pixels_are_doubled_then_smoothed() -> None:
    layer = Upsample(2)
    x = torch.randn(1, 2, 2, 2)
    doubled = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    expected = conv2d(doubled, layer.convolution.weight, layer.convolution.bias, padding=1)
    torch.testing.assert_close(layer(x, Given(torch.zeros(1, 1))), expected)


def test_a_latent_is_brought_to_unit_length_and_joins_the_time() -> None:
    mapping = _latent_mapping(3, 8)
    z = torch.randn(4, 3)
    torch.testing.assert_close(mapping(z), mapping(5 * z))
    network = awake(UNet((1, 4, 4), width=4, multipliers=(1,), blocks=1, attention=(), latent_dim=3))
    x, t = torch.randn(1, 1, 4, 4).expand(4, -1, -1, -1), torch.full((4,), 0.3)
    outputs = network(x, t, z=z)
    assert not torch.allclose(outputs[0], outputs[1], atol=1e-3)


@pytest.mark.parametrize("resample", ["up", "down", "none"])
def test_both_ways_of_wgan_gps_block_change_size_alike(resample: resnet.Resample) -> None:
    block = resnet.ResidualBlock(2, 3, resample, norm="none")
    x = torch.randn(2, 2, 4, 4)
    hidden, short = x.relu(), x
    if resample == "up":
        hidden, short = (interpolate(part, scale_factor=2, mode="nearest") for part in (hidden, short))
    expected = block.second(block.first(hidden).relu()) + block.shortcut(short)
    torch.testing.assert_close(block(x), avg_pool2d(expected, 2) if resample == "down" else expected)
    wide = resnet.ResidualBlock(64, 64, resample, norm="none")
    assert isinstance(wide.shortcut, nn.Identity) is (resample == "none")


def test_the_critic_of_wgan_gp_begins_by_halving_images() -> None:
    block = resnet.OptimisedBlock(2, 3)
    x = torch.randn(2, 2, 4, 4)
    hidden = conv2d(x, block.first.weight, block.first.bias, padding=1).relu()
    hidden = avg_pool2d(conv2d(hidden, block.second.weight, block.second.bias, padding=1), 2)
    # A convolution of 1 x 1 and a mean commute.
    torch.testing.assert_close(block(x), hidden + avg_pool2d(block.shortcut(x), 2))


def test_mimicrys_generator_interpolates_between_pixels() -> None:
    block = resnet.ResidualBlock(2, 3, "up", norm="none", upsampling="bilinear")
    smooth = resnet.ResidualBlock(2, 3, "none", norm="none")
    smooth.load_state_dict(block.state_dict())
    x = torch.rand(1, 2, 4, 4)
    torch.testing.assert_close(block(x), smooth(interpolate(x, scale_factor=2, mode="bilinear")))
    with pytest.raises(ValueError, match="nearest or bilinear, not 'cubic'"):
        resnet.ResNetGenerator(4, (1, 8, 8), upsampling="cubic")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="optimised or convolution, not 'none'"):
        resnet.ResNetCritic((1, 8, 8), first_block="none")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "build",
    [
        partial(resnet.ResNetGenerator, 64, (3, 32, 32), width=64),
        partial(resnet.ResNetCritic, (3, 32, 32), width=64),
        partial(DoublingResNetGenerator, 64, (3, 32, 32), width=32),
        partial(DoublingResNetCritic, (3, 32, 32), width=32),
    ],
)
def test_wgan_gps_weights_begin_uniform_and_its_biases_at_zero(build: Callable[[], nn.Module]) -> None:
    """Within sqrt(6 / (fan in + fan out)), and sqrt(2) times as far in what feeds a ReLU."""
    torch.manual_seed(0)
    network = build()
    for name, module in network.named_modules():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        assert module.bias is None or not module.bias.any(), name
        places = module.weight[0, 0].numel()
        bound = (6 / places / (module.weight.shape[0] + module.weight.shape[1])) ** 0.5
        to_image = name == "to_image.2" and isinstance(network, DoublingResNetGenerator)
        if name.endswith((".first", ".second")) or to_image:
            bound *= 2**0.5
        assert 0.95 * bound < module.weight.abs().max().item() <= bound, name


def test_a_halving_block_keeps_the_variance() -> None:
    block = HalvingBlock(2, 3, 4)
    x, embedding = torch.randn(2, 2, 4, 4), torch.randn(2, 4)
    hidden = block.first(leaky_relu(x, 0.2)) + block.from_embedding(embedding)[:, :, None, None]
    hidden = block.second(avg_pool2d(leaky_relu(hidden, 0.2), 2))
    short = conv2d(avg_pool2d(x, 2), block.shortcut.weight)
    torch.testing.assert_close(block(x, embedding), (hidden + short) / math.sqrt(2))


def test_an_encoder_halves_down_to_four_and_depends_on_time_and_class() -> None:
    network = TimedEncoder((2, 16, 16), classes(3), outputs=5, width=4, most_channels=10, batch_deviation=True)
    assert [(block.first.in_channels, block.first.out_channels) for block in network.blocks] == [(4, 8), (8, 10)]
    assert network.last.in_channels == 11
    assert len(TimedEncoder((1, 14, 14), width=4).blocks) == 1
    assert TimedEncoder((1, 8, 8)).from_image.out_channels == 64
    assert TimedEncoder((1, 64, 64), width=256).last.out_channels == 512
    assert all(
        not each.bias.any() for each in network.modules() if isinstance(each, nn.Conv2d) and each.bias is not None
    )
    # Glorot's start: uniform within sqrt(6 / (fan in + fan out)).
    bound = (6 / (9 * 11 + 9 * 10)) ** 0.5
    assert 0.97 * bound < network.last.weight.abs().max().item() <= bound

    x, t, y = torch.randn(4, 2, 16, 16), torch.tensor([0.1, 0.1, 0.9, 0.1]), torch.tensor([0, 0, 0, 2])
    x = x[:1].expand(4, -1, -1, -1)
    found = network(x, t, y)
    assert found.shape == (4, 5)
    torch.testing.assert_close(found[0], found[1])
    assert not torch.allclose(found[0], found[2], atol=1e-4)
    assert not torch.allclose(found[0], found[3], atol=1e-4)
    with pytest.raises(ValueError, match="condition is missing"):
        network(x, t)
    for shape in ((1, 8, 16), (1, 7, 7)):
        with pytest.raises(ValueError, match=f"not {shape[1]} x {shape[2]}"):
            TimedEncoder(shape)


def test_its_end_adds_up_over_all_places() -> None:
    network = TimedEncoder((1, 4, 4), width=4)
    x, t = torch.randn(3, 1, 4, 4), torch.rand(3)
    seen = leaky_relu(network.last(leaky_relu(network.from_image(x), 0.2)), 0.2)
    torch.testing.assert_close(network(x, t), network.to_outputs(seen.sum((2, 3))))


@pytest.mark.parametrize(("count", "group"), [(8, 4), (4, 4), (6, 3), (7, 1), (2, 2)])
def test_images_differ_within_their_groups(count: int, group: int) -> None:
    x = torch.randn(count, 3, 2, 2)
    found = deviation_in_groups(x)
    assert found.shape == (count, 1, 2, 2)
    for index in range(count):
        # Every (count / group)-th image is of the same group.
        own = x[index % (count // group) :: count // group]
        assert len(own) == group
        expected = (own.var(0, unbiased=False) + 1e-8).sqrt().mean()
        torch.testing.assert_close(found[index], expected.expand(1, 2, 2))


def test_dropout_by_given_numbers() -> None:
    network = UNetTranslator((1, 8, 8), width=2, dropout=0.25, norm="instance")
    source = torch.randn(2, 1, 8, 8)
    shapes: list[tuple[int, ...]] = []

    def all_kept(*shape: int) -> torch.Tensor:
        shapes.append(shape)
        return torch.full(shape, 0.25)

    kept = network(source, all_kept)
    # The innermost but one of two, of 4 x 4 places.
    assert shapes == [(2, 2, 4, 4)]
    paper = UNetTranslator((1, 8, 8), width=2, dropout_layers="paper", norm="instance")
    paper(source, all_kept)
    assert shapes[1:] == [(2, 4, 2, 2)]
    shapes.clear()
    for layers in get_args(DropoutLayers):
        # Of 256 pixels three layers of 512 channels: from the innermost on, or after it.
        UNetTranslator((1, 256, 256), width=1, dropout_layers=layers, norm="instance")(
            torch.zeros(1, 1, 256, 256), lambda *shape: (shapes.append(shape), torch.ones(shape))[1]
        )
    assert [shape[2] for shape in shapes] == [2, 4, 8, 4, 8, 16]
    with pytest.raises(ValueError, match="paper or pytorch_code, not 'all'"):
        UNetTranslator((1, 8, 8), dropout_layers="all")  # type: ignore[arg-type]
    shapes.clear()
    skips = [network.down[0](source)]
    skips.append(network.down[1](skips[0]))
    inner = network.up[0](network.down[2](skips[1]))
    outer = network.up[1](torch.cat([skips[1], inner], dim=1)) / 0.75
    torch.testing.assert_close(kept, network.to_image(torch.cat([skips[0], outer], dim=1)))
    dropped = network(source, lambda *shape: torch.full(shape, 0.2499))
    torch.testing.assert_close(dropped, network.to_image(torch.cat([skips[0], torch.zeros_like(outer)], dim=1)))
    for dropout in (-0.1, 1.0):
        with pytest.raises(ValueError, match="dropout must be in"):
            UNetTranslator((1, 8, 8), dropout=dropout)


def test_weights_begin_narrow_and_scales_at_one() -> None:
    network = DCGANGenerator(64, (3, 32, 32), width=32)
    for module in network.modules():
        if isinstance(module, nn.ConvTranspose2d):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
            assert abs(module.weight.mean().item()) < 0.002
        elif isinstance(module, nn.BatchNorm2d):
            assert module.weight.mean().item() == pytest.approx(1, abs=0.02)
            assert 0 < module.weight.std().item() < 0.05
            assert not module.bias.any()
    assert network.to_image[0].bias.tolist() == [0, 0, 0]
    linear = nn.Linear(100, 100)
    initialise_normal(linear, std=0.5)
    assert linear.weight.std().item() == pytest.approx(0.5, rel=0.05)
    assert not linear.bias.any()
    group_norm = nn.GroupNorm(1, 4)
    initialise_normal(group_norm)
    assert group_norm.weight.tolist() == [1] * 4


def test_normalisations_by_name() -> None:
    assert isinstance(normalisation("batch")[0](3), nn.BatchNorm2d)
    assert isinstance(normalisation("instance")[0](3), nn.InstanceNorm2d)
    assert isinstance(normalisation("none")[0](3), nn.Identity)
    biases = {name: normalisation(name)[1] for name in get_args(NormName)}
    assert biases == {"batch": False, "batch_of_one": False, "instance": True, "layer": False, "none": True}
    with pytest.raises(ValueError, match="batch, batch_of_one, instance, layer, none, not 'group'"):
        normalisation("group")  # type: ignore[arg-type]
    assert has_batch_norm(nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm2d(3))))
    assert not has_batch_norm(nn.Sequential(nn.Linear(2, 2), nn.GroupNorm(1, 4)))


@pytest.mark.parametrize("training", [True, False])
def test_a_batch_of_one_is_normalised_by_itself_also_in_evaluation(training: bool) -> None:
    """As BatchNorm in training mode does to each image alone."""
    norm, reference = normalisation("batch_of_one")[0](3).train(training), nn.BatchNorm2d(3).train()
    awake(norm)
    reference.load_state_dict(norm.state_dict(), strict=False)
    x = 3 * torch.randn(4, 3, 5, 5) + 1
    torch.testing.assert_close(norm(x), torch.cat([reference(one) for one in x.split(1)]), atol=1e-5, rtol=1e-5)
    initialise_normal(norm)
    assert norm.weight.mean().item() == pytest.approx(1, abs=0.1)
    assert not has_batch_norm(norm)


def test_layer_norm_is_of_each_image_with_a_scale_for_each_channel() -> None:
    norm = awake(normalisation("layer")[0](3))
    x = 3 * torch.randn(2, 3, 4, 4) + 1
    expected = nn.functional.layer_norm(x, (3, 4, 4)) * norm.weight[:, None, None] + norm.bias[:, None, None]
    torch.testing.assert_close(norm(x), expected, atol=1e-5, rtol=1e-5)


def test_each_layers_largest_singular_value_becomes_one() -> None:
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ConvTranspose2d(5, 4, 3), nn.Flatten(), nn.Linear(4 * 64, 7))
    embedding = nn.Sequential(nn.Embedding(6, 4))
    for each in (network, embedding):
        normalise_spectrally(each)
    for _ in range(60):
        network(torch.randn(1, 3, 8, 8))
        embedding(torch.tensor([1]))
    for layer, matrix in (
        (network[0], lambda weight: weight.flatten(1)),
        (network[1], lambda weight: weight.transpose(0, 1).flatten(1)),
        (network[3], lambda weight: weight),
        (embedding[0], lambda weight: weight),
    ):
        assert torch.linalg.matrix_norm(matrix(layer.weight), ord=2).item() == pytest.approx(1, abs=0.02)
