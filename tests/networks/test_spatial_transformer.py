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
    "transformer_depth": 1,
}  # fmt: skip


def size(*shape: int, **settings: Any) -> int:
    with torch.device("meta"):
        return sum(each.numel() for each in UNet(shape, **{**LATENT, **settings}).parameters())


def test_stable_diffusions_unet_is_as_large_as_published() -> None:
    states = TextStates(torch.zeros(1, 77, 768))
    sides = {"attention": (64, 32, 16), "multipliers": (1, 2, 4, 4), "width": 320, "heads": 8}
    assert size(4, 64, 64, condition=states, passes_states=True, **sides) == 859_520_964


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
    maps = AttentionMaps((8, 8))
    rows: Tensor = torch.randn(2, 5, 6)
    with maps.watching(network):
        network(torch.randn(2, 2, 8, 8), torch.rand(2), rows)
    torch.testing.assert_close(maps.mean().sum(1), torch.ones(2, 8, 8), atol=0.05, rtol=0)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match="transformer_depth takes attend_to=map"):
        UNet((2, 8, 8), **{**SMALL, "transformer_depth": 1, "attend_to": "sequence"})
    with pytest.raises(ValueError, match="8 channels are not divisible by heads=3"):
        SpatialTransformer(8, 3, 0, 1)
