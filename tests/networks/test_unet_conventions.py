"""The details in which implementations of the U-Net differ, each against its formula and by itself."""

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, silu

from genbench.networks.time_embedding import Sinusoids, embed_time
from genbench.networks.unet import UNet
from genbench.networks.unet_blocks import Attention, Downsample, Given, Norm, ResidualBlock, initialise_as_ho
from genbench.networks.unet_encoder import AttentionPool, UNetEncoder
from genbench.networks.unet_levels import Attends
from tests.kinds import classes
from tests.networks.test_conditioning import KINDS, SHAPE, two_rows
from tests.networks.test_unet import SMALL, awake

OPENAI: dict[str, Any] = {
    "padding": "openai",
    "time": "sinusoids_openai",
    "norm_eps": 1e-5,
    "initialisation": "openai",
    "adaptive": True,
    "heads": 2,
}
ADM: dict[str, Any] = OPENAI | {"heads": None, "head_channels": 4, "resampling": "residual"}

NOTHING = Given(torch.zeros(2, 5))


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("side", [4, 6])
def test_ho_s_padding_is_right_and_below_and_openai_s_all_around(side: int) -> None:
    x = torch.randn(2, 3, side, side)
    for padding, before in (("ho", 0), ("openai", 1)):
        layer = Downsample(3, padding)  # type: ignore[arg-type]
        framed = torch.zeros(2, 3, side + 2, side + 2)
        framed[:, :, before : before + side, before : before + side] = x
        kernel, bias = layer.convolution.weight, layer.convolution.bias
        places = [
            (framed[:, :, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3].flatten(1) @ kernel.flatten(1).T + bias)
            for row in range(side // 2)
            for column in range(side // 2)
        ]
        expected = torch.stack(places, dim=2).view(2, 3, side // 2, side // 2)
        torch.testing.assert_close(layer(x, NOTHING), expected)


def test_openai_s_frequencies_are_a_series_of_one_more() -> None:
    t = torch.tensor([0.7])
    for name, last in (("sinusoids", 3), ("sinusoids_openai", 4)):
        for scale in (1000.0, 250.0):
            angles = [0.7 * scale * 10_000 ** (-index / last) for index in range(4)]
            expected = [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
            found = embed_time(name, 8, 5, scale)[0](t)[0]  # type: ignore[arg-type]
            torch.testing.assert_close(found, torch.tensor(expected), atol=1e-4, rtol=0)
    assert not Sinusoids(8, includes_last=False).state_dict()
    with pytest.raises(ValueError, match="time_scale is of sinusoids"):
        embed_time("fourier", 8, 5, 250.0)


def test_groups_are_as_many_as_are_said_or_fewer_in_narrow_maps() -> None:
    for groups, channels, expected in ((None, 8, 4), (None, 48, 24), (None, 128, 32), (8, 8, 8), (4, 8, 4)):
        norm = Norm(groups, 1e-3)(channels)
        assert (norm.num_groups, norm.eps) == (expected, 1e-3)
    for groups in (0, 3):
        with pytest.raises(ValueError, match=f"8 channels are not divisible into groups={groups}"):
            Norm(groups)(8)


def test_ho_s_weights_have_a_variance_of_one_over_the_mean_of_fan_in_and_fan_out() -> None:
    network = UNet((3, 16, 16), width=64, multipliers=(1, 2), blocks=1, attention=(8,))
    block, attention = network.down[2][0], network.down[2][1]
    # Of 3 x 3 kernels, of linear layers, and of q, k and v as three layers.
    for weight, fans in (
        (block.first[2].weight, (9 * 64, 9 * 128)),
        (block.shortcut.weight, (64, 128)),
        (block.from_embedding[1].weight, (256, 128)),
        (network.embed_time[1].weight, (64, 256)),
        (network.from_image.weight, (27, 9 * 64)),
        *((part, (128, 128)) for part in attention.to_qkv.weight.chunk(3)),
    ):
        bound = (6 / sum(fans)) ** 0.5
        assert 0.97 * bound < weight.abs().max().item() <= bound
        assert weight.var().item() == pytest.approx(2 / sum(fans), rel=0.1)
    biases = [tensor for name, tensor in network.named_parameters() if name.endswith("bias")]
    assert not any(bias.any() for bias in biases)
    for last in (block.second[3], attention.to_out, network.to_image[2]):
        assert not last.weight.any()
    torchs = UNet((3, 16, 16), width=64, multipliers=(1, 2), blocks=1, attention=(8,), initialisation="openai")
    bound = (9 * 64) ** -0.5
    assert 0.97 * bound < torchs.down[2][0].first[2].weight.abs().max().item() <= bound
    assert torchs.from_image.bias.any()
    assert not torchs.to_image[2].weight.any()


def test_ho_s_initialisation_leaves_what_embeds_a_condition() -> None:
    torch.manual_seed(0)
    network = UNet((3, 16, 16), classes(40), width=32, multipliers=(1,), blocks=1, attention=())
    assert network.embed_condition.embedding.weight.std().item() == pytest.approx(1, rel=0.05)  # type: ignore[union-attr]
    alone = nn.Conv2d(3, 4, 1, bias=False)
    initialise_as_ho(alone)
    assert alone.weight.abs().max().item() <= (6 / 7) ** 0.5


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("scale", [2, 0.5])
def test_a_residual_block_resamples_before_its_first_convolution(scale: float, adaptive: bool) -> None:
    block = awake(ResidualBlock(4, 4, 5, 0.0, adaptive, scale=scale))
    x, given = torch.randn(2, 4, 4, 4), Given(torch.randn(2, 5))

    def resampled(x: torch.Tensor) -> torch.Tensor:
        return interpolate(x, scale_factor=2) if scale == 2 else avg_pool2d(x, 2)

    hidden = resampled(silu(block.first[0](x)))  # type: ignore[index]
    hidden = conv2d(hidden, block.first[2].weight, block.first[2].bias, padding=1)  # type: ignore[index]
    plain = ResidualBlock(4, 4, 5, 0.0, adaptive)
    plain.load_state_dict(block.state_dict())
    # From there on it is a block as any other.
    plain.first = nn.Identity()  # type: ignore[assignment]
    plain.shortcut = nn.Identity()
    expected = plain(hidden, given) - hidden + resampled(x)
    torch.testing.assert_close(block(x, given), expected)


def test_heads_are_as_many_as_channels_make() -> None:
    network = UNet((3, 8, 8), **(SMALL | {"heads": None, "head_channels": 4, "multipliers": (1, 2)}))  # type: ignore[arg-type]
    heads = [module.heads for module in network.modules() if isinstance(module, Attention)]
    # At 4 pixels, and at the lowest resolution, 16 channels.
    assert set(heads) == {4}
    assert Attends((4,), head_channels=8).layer(64, Norm()).heads == 8
    with pytest.raises(ValueError, match="20 channels are not divisible by head_channels=8"):
        Attends((4,), head_channels=8).layer(20, Norm())
    for heads_of in ({"heads": 2, "head_channels": 4}, {"heads": None}):
        with pytest.raises(ValueError, match="either heads or head_channels"):
            UNet((3, 8, 8), **(SMALL | heads_of))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"padding": "same"}, "padding must be ho or openai, not 'same'"),
        ({"resampling": "fir"}, "resampling must be convolution or residual, not 'fir'"),
        ({"initialisation": "he"}, "initialisation must be ho or openai, not 'he'"),
        ({"multipliers": (1, 1.3)}, "not all whole numbers of channels"),
        ({"groups": 3}, "not divisible into groups=3"),
    ],
)
def test_what_is_no_convention_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UNet((3, 8, 8), **(SMALL | wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize("detail", [*OPENAI, "resampling", "head_channels", "groups", "time_scale"])
def test_each_detail_matters_by_itself(detail: str) -> None:
    value = {"resampling": "residual", "head_channels": 4, "groups": 1, "time_scale": 250.0, "norm_eps": 0.1}.get(
        detail, OPENAI.get(detail)
    )
    changed = {detail: value} | ({"heads": None} if detail == "head_channels" else {})
    networks = [UNet((3, 8, 8), **(SMALL | settings)) for settings in ({}, changed)]  # type: ignore[arg-type]
    if detail == "initialisation":
        weights = [network.from_image.weight for network in networks]
        assert not torch.allclose(*weights)
        return
    x, t = torch.randn(2, 3, 8, 8), torch.tensor([0.2, 0.7])
    one, other = (awake(network)(x, t) for network in networks)
    assert not torch.allclose(one, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", sorted(KINDS))
@pytest.mark.parametrize("convention", ["openai", "adm"])
def test_conditions_work_with_each_convention(name: str, convention: str) -> None:
    settings = SMALL | (OPENAI if convention == "openai" else ADM)
    network = awake(UNet(SHAPE, KINDS[name], **settings))  # type: ignore[arg-type]
    x_t, t = torch.randn(1, *SHAPE).expand(2, -1, -1, -1), torch.full((2,), 0.5)
    out = network(x_t, t, two_rows(name))
    assert out.shape == (2, *SHAPE)
    assert not torch.allclose(out[0], out[1], atol=1e-3)
    assert network(x_t, t).isfinite().all()


def test_a_width_of_the_time_features_of_its_own() -> None:
    network = UNet((3, 8, 8), **SMALL, time_width=12)  # type: ignore[arg-type]
    assert network.embed_time[1].weight.shape == (48, 12)
    assert network.down[0][0].from_embedding[1].weight.shape == (8, 48)


def test_pooling_is_attention_of_the_mean_to_all_places() -> None:
    pool = AttentionPool(6, 2, 3)
    nn.init.normal_(pool.to_qkv.weight)
    x = torch.randn(2, 6, 2, 2)
    places = torch.cat([x.mean((2, 3))[..., None], x.flatten(2)], dim=2) + pool.positions
    q, k, v = pool.to_qkv(places.transpose(1, 2)).transpose(1, 2).chunk(3, dim=1)
    seen = []
    for head in (slice(0, 3), slice(3, 6)):
        weights = (q[:, head].transpose(1, 2) @ k[:, head] / 3**0.5).softmax(2)
        seen.append(v[:, head] @ weights.transpose(1, 2))
    torch.testing.assert_close(pool(x), torch.cat(seen, dim=1)[..., 0])
    with pytest.raises(ValueError, match="not divisible by head_channels=4"):
        AttentionPool(6, 2, 4)


def test_an_encoder_depends_on_image_and_time_with_all_its_parameters() -> None:
    network: Any = awake(
        UNetEncoder((3, 8, 8), outputs=5, width=8, multipliers=(1, 2), blocks=1, attention=(4,), head_channels=4)
    )
    x, t = torch.randn(1, 3, 8, 8).expand(2, -1, -1, -1), torch.tensor([0.1, 0.9])
    found = network(x, t)
    assert found.shape == (2, 5)
    assert not torch.allclose(found[0], found[1], atol=1e-3)
    features = network.features(x, t)
    assert features.shape == (2, network.feature_dim)
    torch.testing.assert_close(network.to_outputs(features), found)
    network(torch.randn(4, 3, 8, 8), torch.rand(4)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []
