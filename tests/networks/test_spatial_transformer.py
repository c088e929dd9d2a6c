"""The attention of latent diffusion: the size of Stable Diffusion's U-Net, and closed forms of its layers."""

from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.conditions.text_states import TextStates
from genbench.networks.attention_maps import AttentionMaps
from genbench.networks.spatial_transformer import CrossAttention, SpatialTransformer
from genbench.networks.unet import UNet
from genbench.networks.unet_blocks import Given
from tests.networks.test_unet import SMALL, awake

LATENT: dict[str, Any] = {
    "time": "sinusoids_openai", "padding": "openai", "norm_eps": 1e-5, "initialisation": "openai", "dropout": 0.0,
}  # fmt: skip


def size(*shape: int, **settings: Any) -> int:
    with torch.device("meta"):
        return sum(each.numel() for each in UNet(shape, **{**LATENT, **settings}).parameters())


DEEP = {"transformer_depth": 1, "passes_states": True}


@pytest.mark.parametrize(
    ("expected", "shape", "width", "multipliers", "attention", "settings"),
    [
        # Stable Diffusion v1, the text-to-image model of 1.45 B in all, and classes of ImageNet at a quarter of a side.
        (859_520_964, (4, 64, 64), 320, (1, 2, 4, 4), (64, 32, 16), {"heads": 8, "states": 768, **DEEP}),
        (872_300_484, (4, 32, 32), 320, (1, 2, 4, 4), (32, 16, 8), {"heads": 8, "states": 1280, **DEEP}),
        (400_920_579, (3, 64, 64), 192, (1, 2, 3, 5), (32, 16, 8), {"heads": 1, "states": 512, **DEEP}),
        # Without a condition: faces and bedrooms; churches.
        (274_056_163, (3, 64, 64), 224, (1, 2, 3, 4), (32, 16, 8), {"head_channels": 32, "heads": None}),
        (
            294_966_916, (4, 32, 32), 192, (1, 2, 2, 4, 4), (32, 16, 8, 4),
            {"heads": 8, "adaptive": True, "resampling": "residual"},
        ),
        # Beside maps of an image: inpainting, with a mask, and super-resolution.
        (
            387_245_827, (3, 64, 64), 256, (1, 2, 3, 4), (32, 16, 8),
            {"heads": 8, "resampling": "residual", "extra_channels": 4},
        ),
        (113_622_563, (3, 64, 64), 160, (1, 2, 2, 4), (8, 4), {"heads": 8, "extra_channels": 3}),
    ],
)  # fmt: skip
def test_unets_of_latent_diffusion_are_as_large_as_published(
    expected: int,
    shape: tuple[int, ...],
    width: int,
    multipliers: tuple[int, ...],
    attention: tuple[int, ...],
    settings: dict[str, Any],
) -> None:
    rest = dict(settings)
    if "states" in rest:
        rest["condition"] = TextStates(torch.zeros(1, 77, rest.pop("states")))
    sides = {"width": width, "multipliers": multipliers, "attention": attention}
    assert size(*shape, **sides, **rest) == expected


def given(length: int, width: int = 6) -> Given:
    generator = torch.Generator().manual_seed(0)
    sequence = torch.randn(2, length, width, generator=generator)
    return Given(torch.empty(0), sequence, torch.ones(2, length, dtype=torch.bool))


def test_attention_to_one_token_is_that_token_whatever_asks() -> None:
    torch.manual_seed(0)
    layer, one = CrossAttention(8, 2, 6), given(1)
    found = layer(torch.randn(2, 9, 8), one, (3, 3))
    expected = layer.to_out(layer.to_v(one.sequence)).expand(-1, 9, -1)
    torch.testing.assert_close(found, expected)


def test_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    network, some = SpatialTransformer(8, 2, 6, 2), given(4)
    with torch.no_grad():
        network.last.weight.normal_()
    x = torch.randn(2, 8, 3, 3)
    masked = some._replace(mask=torch.tensor([[True, True, False, False]] * 2))
    assert some.sequence is not None
    short = Given(torch.empty(0), some.sequence[:, :2], torch.ones(2, 2, dtype=torch.bool))
    torch.testing.assert_close(network(x, masked), network(x, short))
    assert not torch.allclose(network(x, some), network(x, short), atol=1e-3)


def test_it_begins_as_the_identity_and_also_without_a_sequence() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 8, 3, 3)
    assert torch.equal(SpatialTransformer(8, 2, 0, 1)(x), x)


def test_its_attention_to_words_is_seen() -> None:
    torch.manual_seed(0)
    states = TextStates(torch.zeros(1, 5, 6))
    network = UNet((2, 8, 8), states, passes_states=True, **{**SMALL, "attention": (8,), "transformer_depth": 1})
    awake(network)
    maps = AttentionMaps(network, (8, 8))
    rows: Tensor = torch.randn(2, 5, 6)
    with maps.watching():
        network(torch.randn(2, 2, 8, 8), torch.rand(2), rows)
    torch.testing.assert_close(maps.mean().sum(1), torch.ones(2, 8, 8), atol=0.05, rtol=0)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match="transformer_depth takes attend_to=map"):
        UNet((2, 8, 8), **{**SMALL, "transformer_depth": 1, "attend_to": "sequence"})
    with pytest.raises(ValueError, match="8 channels are not divisible by heads=3"):
        SpatialTransformer(8, 3, 0, 1)
