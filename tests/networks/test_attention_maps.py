"""Attention maps against closed forms, and against the output that the same weights must give."""

import pytest
import torch

from genbench.conditions.captions import Captions
from genbench.networks.attention import attention_weights
from genbench.networks.attention_maps import AttentionMaps
from genbench.networks.unet import UNet
from genbench.networks.unet_blocks import Attention, Given
from tests.networks.test_unet import SMALL, awake

CAPTIONS = Captions(["a", "red", "three", "on", "blue"], 6)
SIDE = 4


def given(mask: torch.Tensor, context: int = 5) -> Given:
    return Given(torch.zeros(len(mask), 1), torch.randn(*mask.shape, context), mask)


def test_weights_are_those_that_average_the_values() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 3, 7, 4), torch.randn(2, 3, 9, 4), torch.randn(2, 3, 9, 4)
    mask = torch.rand(2, 1, 1, 9) < 0.7
    weights = attention_weights(q, k, mask)
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    torch.testing.assert_close(weights @ v, expected)
    assert not weights.masked_select(~mask).any()


def test_uniform_attention_gives_each_token_the_same_everywhere() -> None:
    layer = Attention(8, 2, context=5)
    for parameter in (*layer.to_qkv.parameters(), *layer.from_sequence.parameters()):  # type: ignore[union-attr]
        torch.nn.init.zeros_(parameter)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    maps = AttentionMaps(layer, (8, 8))
    with maps.watching():
        for _ in range(3):
            layer(torch.randn(2, 8, SIDE, SIDE), given(mask))
    mean = maps.mean()
    assert mean.shape == (2, 3, 8, 8)
    # All places of the map and all tokens of the text get the same.
    torch.testing.assert_close(mean[0], torch.full((3, 8, 8), 1 / (SIDE**2 + 3)))
    torch.testing.assert_close(mean[1, 0], torch.full((8, 8), 1 / (SIDE**2 + 1)))
    assert not mean[1, 1:].any()


def test_watching_changes_nothing_and_ends() -> None:
    network = awake(UNet((3, 8, 8), CAPTIONS, **SMALL))  # type: ignore[arg-type]
    x_t, t, y = torch.randn(2, 3, 8, 8), torch.rand(2), CAPTIONS.encode(["a red three", "a"])
    maps = AttentionMaps(network, (8, 8))
    plain = network(x_t, t, y)
    with maps.watching():
        assert torch.equal(network(x_t, t, y), plain)
    mean = maps.mean()
    # A learnt token, then those of the rows; what is padding has no attention.
    assert mean.shape == (2, 1 + 6, 8, 8)
    assert not mean[0, 4:].any()
    assert not mean[1, 2:].any()
    assert (mean.sum(1) <= 1 + 1e-5).all()
    network(x_t, t, y)
    assert torch.equal(maps.mean(), mean)


def test_a_network_without_a_text_has_no_maps() -> None:
    network = UNet((3, 8, 8), **SMALL)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no text"):
        AttentionMaps(network, (8, 8))


def test_there_is_no_mean_of_no_calls() -> None:
    maps = AttentionMaps(UNet((3, 8, 8), CAPTIONS, **SMALL), (8, 8))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no calls"):
        maps.mean()
