"""GLIDE's text encoder: the published counts, and what padding and the last place do."""

from functools import partial
from typing import Any

import pytest
import torch

from genbench.conditions.base import Tokens
from genbench.networks.glide_text import GlideText
from genbench.networks.unet import UNet
from tests.networks.test_unet import awake

ADM: dict[str, Any] = {
    "width": 192,
    "attention": (32, 16, 8),
    "heads": None,
    "head_channels": 64,
    "time": "sinusoids_openai",
    "adaptive": True,
    "resampling": "residual",
    "outputs": 2,
}


class Published:
    """GLIDE's captions, without their tokenizer."""

    form = Tokens(50_257, 128)

    def null(self, count: int) -> torch.Tensor:
        return torch.zeros(count, 128, dtype=torch.long)


@pytest.mark.parametrize(
    ("side", "multipliers", "blocks", "extra_channels", "count"),
    [
        (64, (1, 2, 3, 4), 3, 0, 385_030_726),
        (64, (1, 2, 3, 4), 3, 4, 385_037_638),
        (256, (1, 1, 2, 2, 4, 4), 2, 3, 398_361_286),
        (256, (1, 1, 2, 2, 4, 4), 2, 7, 398_368_198),
    ],
)
def test_parameters_are_the_published_ones(
    side: int, multipliers: tuple[int, ...], blocks: int, extra_channels: int, count: int
) -> None:
    settings = {"multipliers": multipliers, "blocks": blocks, "extra_channels": extra_channels}
    with torch.device("meta"):
        network = UNet((3, side, side), Published(), text=GlideText, **settings, **ADM)  # type: ignore[arg-type]
    assert sum(p.numel() for p in network.parameters()) == count
    assert network.embed_condition is not None
    assert sum(p.numel() for p in network.embed_condition.parameters()) == 76_695_808


def test_padding_is_its_places_and_is_attended_to() -> None:
    form = Tokens(9, 5, end=8)
    encoder = awake(GlideText(form, 6, width=8, layers=2, heads=2))
    rows = torch.tensor([[1, 2, 8, 0, 0], [1, 2, 8, 5, 7], [1, 8, 0, 0, 0]])
    encoded = encoder(rows)
    assert encoded.mask.all()
    assert encoded.sequence.shape == (3, 5, 8)
    assert encoded.vector.shape == (3, 6)
    # Whatever follows the end of a text is padding.
    torch.testing.assert_close(encoded.sequence[0], encoded.sequence[1])
    assert not torch.allclose(encoded.vector[0], encoded.vector[2], atol=1e-3)
    before = encoded.vector[0].detach()
    with torch.no_grad():
        encoder.padding[3] += torch.arange(8)
        # Neither a token's own place nor the last one, and yet it changes the vector.
        assert not torch.allclose(encoder(rows[:1]).vector[0], before, atol=1e-3)
        now = encoder(rows[:1]).vector[0]
        encoder.padding[:3] += torch.arange(8)
        torch.testing.assert_close(encoder(rows[:1]).vector[0], now)


def test_every_parameter_of_a_text_to_image_network_matters() -> None:
    class Words(Published):
        form = Tokens(6, 4)

        def null(self, count: int) -> torch.Tensor:
            return torch.zeros(count, 4, dtype=torch.long)

    text = partial(GlideText, width=8, layers=1, heads=2)
    small: dict[str, Any] = {"width": 8, "multipliers": (1, 2), "blocks": 1, "attention": (4,), "dropout": 0.0}
    network = awake(UNet((1, 8, 8), Words(), text=text, **small))  # type: ignore[arg-type]
    rows = torch.tensor([[1, 2, 3, 4], [5, 0, 0, 0], [0, 0, 0, 0]])
    network(torch.randn(3, 1, 8, 8), torch.rand(3), rows).square().sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without
