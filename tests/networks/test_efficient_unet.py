"""Imagen's U-Nets: the order of blocks and changes of size, scaled skips, and attention to a sequence alone."""

from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from torch import nn

from genbench.conditions.text_states import TextStates
from genbench.config import check
from genbench.networks.conditioning import encoder_of
from genbench.networks.unet import UNet
from genbench.networks.unet_blocks import Attention, Given
from tests.networks.test_unet import awake

STATES = TextStates(torch.randn(1, 2, 12, generator=torch.Generator().manual_seed(0)))
EFFICIENT: dict[str, Any] = {
    "width": 8, "multipliers": (1, 2), "blocks": (1, 2), "attention": (4,), "order": "imagen", "skips": "imagen",
    "dropout": 0.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("experiment", "shape", "more", "count"),
    [
        ("imagen_64", (3, 64, 64), {}, 2_420_625_411),
        ("imagen_256", (3, 256, 256), {"extra_channels": 3, "with_level": True}, 506_674_435),
        ("imagen_1024", (3, 1024, 1024), {"extra_channels": 3, "with_level": True}, 502_476_035),
    ],
)
def test_full_size_counts(experiment: str, shape: tuple[int, ...], more: dict[str, Any], count: int) -> None:
    # Attending to T5-XXL's states. The paper says 2 B, 600 M and 400 M.
    config = check("train", [f"experiment={experiment}", "data.root=none"])
    states = TextStates(torch.zeros(1, 1, 4096))
    with torch.device("meta"):
        network = instantiate(config.network.denoiser, _convert_="all")(shape=shape, condition=states, **more)
    assert sum(p.numel() for p in network.parameters()) == count


def test_blocks_work_on_maps_that_are_already_smaller() -> None:
    network = awake(UNet((3, 16, 16), STATES, **EFFICIENT))
    sides: list[tuple[int, int]] = []
    for number, each in enumerate([*network.down, *network.up]):  # type: ignore[misc]
        for module in each.modules():
            if type(module).__name__ == "ResidualBlock":
                module.register_forward_hook(lambda m, given, out, n=number: sides.append((n, out.shape[-1])))
    out = network(torch.randn(2, 3, 16, 16), torch.rand(2), torch.randn(2, 5, 12))
    assert out.shape == (2, 3, 16, 16)
    # Level by level: as many blocks as are set, none of them at the full resolution.
    assert sides == [(0, 8), (1, 4), (1, 4), (2, 4), (2, 4), (3, 8)]
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


def test_scaled_skips_keep_the_variance_that_a_sum_would_double() -> None:
    torch.manual_seed(0)
    plain = awake(UNet((3, 16, 16), **EFFICIENT | {"skips": "ho"}))
    scaled = awake(UNet((3, 16, 16), **EFFICIENT))
    assert scaled.skip_scale**2 * 2 == pytest.approx(1)
    seen: list[torch.Tensor] = []
    for network in (plain, scaled):
        network.up[0].register_forward_pre_hook(lambda module, given: seen.append(given[0]))
        network(torch.ones(1, 3, 16, 16), torch.ones(1))
    half = seen[0].shape[1] // 2
    torch.testing.assert_close(seen[1][:, :half], seen[0][:, :half])
    torch.testing.assert_close(seen[1][:, half:], seen[0][:, half:] / 2**0.5)


def test_attention_to_one_token_alone_is_constant() -> None:
    torch.manual_seed(0)
    layer = Attention(8, 2, context=12, to_map=False)
    nn.init.normal_(layer.to_out.weight)
    token = torch.randn(1, 1, 12)
    x = torch.randn(1, 8, 4, 4)
    added = layer(x, Given(torch.zeros(1, 1), token, torch.ones(1, 1, dtype=torch.bool))) - x
    # W_o W_v c at each place, whatever the query is.
    assert layer.from_sequence is not None
    value = layer.from_sequence(token)[0, 0, 8:]
    expected = layer.to_out.weight[:, :, 0, 0] @ value + layer.to_out.bias
    torch.testing.assert_close(added, expected.detach().view(1, 8, 1, 1).expand(1, 8, 4, 4))


def test_padding_changes_nothing_of_a_texts_states() -> None:
    torch.manual_seed(0)
    encoder = encoder_of(STATES, 16, (3, 8, 8))
    rows = torch.randn(2, 3, 12)
    padded = torch.cat([rows, torch.zeros(2, 4, 12)], dim=1)
    short, long = encoder(rows), encoder(padded)
    assert encoder.context == 12
    assert long.mask is not None
    assert long.mask.sum() == 6
    torch.testing.assert_close(short.vector, long.vector)
    # Nor is there a division by nothing.
    assert encoder(torch.zeros(1, 3, 12)).vector.isfinite().all()
    network = awake(UNet((3, 8, 8), STATES, width=8, multipliers=(1, 2), blocks=1, attention=(4,), dropout=0.0))
    x, t = torch.randn(2, 3, 8, 8), torch.rand(2)
    torch.testing.assert_close(network(x, t, rows), network(x, t, padded), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(network(x, t), network(x, t, STATES.null(2)))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"blocks": [1]}, "1 numbers for 2 resolutions"),
        ({"blocks": [1, 0]}, "at least 1"),
        ({"skips": "none"}, "skips"),
        ({"order": "none"}, "order"),
        ({"attend_to": "sequence"}, "takes a condition that is a sequence"),
    ],
)
def test_settings_that_do_not_do(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        UNet((3, 16, 16), **EFFICIENT | settings)
