"""Partial convolutions: the identities of the paper's equations, and the U-Net's size and blindness."""

import pytest
import torch
from torch.nn.functional import conv2d

from genbench.networks.partial_convolution import PartialConv2d, PartialUNet


def layer(kernel: int = 3, **settings: object) -> PartialConv2d:
    torch.manual_seed(0)
    return PartialConv2d(2, 4, kernel, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_of_a_whole_image_it_is_a_convolution_away_from_the_border(kernel: int) -> None:
    conv, x = layer(kernel), torch.randn(2, 2, 16, 16)
    out, after = conv.partial(x, torch.ones(2, 1, 16, 16))
    plain = conv(x)
    inside = slice(kernel // 2, -(kernel // 2))
    torch.testing.assert_close(out[..., inside, inside], plain[..., inside, inside])
    # At the border what lies outside is unknown, so that less is divided by.
    assert (out - plain).abs().max() > 0.1
    bias = conv.bias.view(1, -1, 1, 1)  # type: ignore[union-attr]
    corner = (plain - bias)[..., 0, 0] * kernel**2 / ((kernel + 1) // 2) ** 2 + bias[..., 0, 0]
    torch.testing.assert_close(out[..., 0, 0], corner)
    assert (after == 1).all()


def test_of_nothing_it_is_nothing() -> None:
    out, after = layer().partial(torch.randn(1, 2, 8, 8), torch.zeros(1, 1, 8, 8))
    assert (out == 0).all()
    assert (after == 0).all()


def test_a_single_known_pixel_grows_to_nine() -> None:
    mask = torch.zeros(1, 1, 9, 9)
    mask[0, 0, 4, 4] = 1
    conv, x = layer(), torch.randn(1, 2, 9, 9)
    out, after = conv.partial(x, mask)
    expected = torch.zeros(9, 9)
    expected[3:6, 3:6] = 1
    assert torch.equal(after[0, 0], expected)
    assert torch.equal((out != 0).any(1)[0], expected.bool())
    # One of nine is known: its product counts nine times, the bias once.
    alone = conv.weight[:, :, 1, 1] @ x[0, :, 4, 4] * 9 + conv.bias
    torch.testing.assert_close(out[0, :, 4, 4], alone)


def test_hidden_pixels_have_no_influence_and_the_bias_is_not_scaled() -> None:
    conv, x = layer(), torch.randn(2, 2, 8, 8)
    mask = (torch.rand(2, 1, 8, 8) < 0.5).float()
    out, after = conv.partial(x, mask)
    other, _ = conv.partial(torch.where(mask.bool(), x, 1e6 * torch.randn_like(x)), mask)
    assert torch.equal(out, other)
    zero, _ = conv.partial(torch.zeros_like(x), mask)
    torch.testing.assert_close(zero, conv.bias.view(1, -1, 1, 1) * after)  # type: ignore[union-attr]


def test_each_channel_may_have_a_mask_of_its_own() -> None:
    conv, x = layer(bias=False), torch.randn(1, 2, 8, 8)
    masks = (torch.rand(1, 2, 8, 8) < 0.3).float()
    out, after = conv.partial(x, masks)
    seen = conv2d(masks, torch.ones(1, 2, 3, 3), padding=1)
    assert torch.equal(after, (seen > 0).float())
    expected = conv2d(x * masks, conv.weight, padding=1) * 18 / seen.clamp(min=1)
    torch.testing.assert_close(out, expected * after)
    same, again = conv.partial(x, masks[:, :1].expand(-1, 2, -1, -1)), conv.partial(x, masks[:, :1])
    assert all(torch.equal(*pair) for pair in zip(same, again, strict=True))


def test_the_unet_has_the_size_of_the_port() -> None:
    with torch.device("meta"):
        network = PartialUNet((3, 256, 256))
    assert sum(each.numel() for each in network.parameters()) == 25_779_796


@pytest.mark.parametrize("side", [16, 28])
def test_the_unet_sees_what_is_known_alone(side: int) -> None:
    torch.manual_seed(0)
    network = PartialUNet((3, side, side), width=4, levels=3)
    x, mask = torch.randn(4, 3, side, side), torch.ones(4, 1, side, side)
    mask[:, :, 3:9, 4:10] = 0
    network(x, mask)
    network.eval()
    with torch.no_grad():
        out = network(x, mask)
        assert out.shape == x.shape
        assert torch.equal(out, network(torch.where(mask.bool(), x, -7 * x), mask))
        assert not torch.equal(out, network(-x, mask))
        # Of nothing known there is nothing, the same everywhere.
        assert (network(x, torch.zeros_like(mask)) == 0).all()


def test_images_that_are_too_small() -> None:
    with pytest.raises(ValueError, match="levels=7"):
        PartialUNet((3, 32, 32))
    with pytest.raises(ValueError, match="2 levels"):
        PartialUNet((3, 32, 32), levels=1)
