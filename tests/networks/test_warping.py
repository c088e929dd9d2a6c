"""Affine warps: those that have an answer, and derivatives of derivatives."""

from math import pi

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from genbench.networks.warping import SYM6, Warp


def smooth(seed: int = 0) -> Tensor:
    """Return images without detail, to which a filter does little."""
    small = torch.randn(4, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    return interpolate(small, (32, 32), mode="bicubic")


def maps(*rows: tuple[float, float, float]) -> Tensor:
    return torch.tensor(rows).expand(4, -1, -1)


def test_the_filter_is_an_orthogonal_wavelets() -> None:
    taps = torch.tensor(SYM6, dtype=torch.float64)
    assert float(taps.sum()) == pytest.approx(2**0.5, abs=1e-9)
    for shift in range(6):
        assert float((taps[2 * shift :] * taps[: len(taps) - 2 * shift]).sum()) == pytest.approx(
            float(shift == 0), abs=1e-8
        )


def test_no_warp_changes_nothing() -> None:
    images = torch.randn(4, 3, 16, 16)
    torch.testing.assert_close(Warp()(images, maps((1, 0, 0), (0, 1, 0))), images, atol=2e-5, rtol=0)


def test_shifts_mirrors_and_quarter_turns() -> None:
    images, warp = smooth(), Warp()
    # The place of the image that a place of the result shows is two to the left: what is seen moves to the right.
    torch.testing.assert_close(warp(images, maps((1, 0, -2), (0, 1, 0)))[..., 2:], images[..., :-2], atol=1e-4, rtol=0)
    torch.testing.assert_close(warp(images, maps((1, 0, 0), (0, 1, 3)))[:, :, :-3], images[:, :, 3:], atol=1e-4, rtol=0)
    torch.testing.assert_close(warp(images, maps((-1, 0, 0), (0, 1, 0))), images.flip(3), atol=0.03, rtol=0)
    turned = warp(images, maps((0, 1, 0), (-1, 0, 0)))
    torch.testing.assert_close(turned, images.rot90(3, (2, 3)), atol=0.03, rtol=0)


def test_a_turn_and_the_turn_back() -> None:
    images, warp, angle = smooth(), Warp(), torch.tensor(pi / 5)
    sine, cosine = float(angle.sin()), float(angle.cos())
    there = warp(images, maps((cosine, sine, 0), (-sine, cosine, 0)))
    back = warp(there, maps((cosine, -sine, 0), (sine, cosine, 0)))
    assert float((there - images).abs().mean()) > 0.3
    # Away from the border, where something else came in.
    inner = (slice(None), slice(None), slice(10, 22), slice(10, 22))
    torch.testing.assert_close(back[inner], images[inner], atol=0.03, rtol=0)


def test_it_can_be_differentiated_twice() -> None:
    warp = Warp().double()
    inverse = torch.tensor([[[0.9, 0.2, 0.5], [-0.3, 1.1, -1.0]]], dtype=torch.float64)
    images = torch.randn(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: warp(x, inverse), (images,))
    assert torch.autograd.gradgradcheck(lambda x: warp(x, inverse).square(), (images,))
