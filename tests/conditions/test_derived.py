"""Conditions that are made of the samples themselves."""

import pytest
import torch
from torch.nn.functional import interpolate

from genbench.conditions.derived import LowResolution
from genbench.images import to_float, to_uint8
from genbench.medium import Images, Points


@pytest.mark.parametrize("factor", [2, 3, 4, 5])
def test_constant_images_stay_as_they_are(factor: int) -> None:
    images = to_float(torch.tensor([0, 7, 200, 255], dtype=torch.uint8)).view(4, 1, 1, 1).expand(4, 3, 60, 120)
    low = LowResolution(factor)(images)
    assert low.shape == (4, 3, 60 // factor, 120 // factor)
    assert torch.equal(low, images[..., : 60 // factor, : 120 // factor])


def test_images_are_shrunk_and_rounded_to_256_levels() -> None:
    torch.manual_seed(0)
    images = torch.rand(5, 1, 16, 24) * 2 - 1
    low = LowResolution(2)(images)
    assert low.shape == (5, 1, 8, 12)
    assert torch.equal(to_float(to_uint8(low)), low)
    exact = interpolate(images, (8, 12), mode="bicubic", antialias=True).clamp(-1, 1)
    assert (low - exact).abs().max() <= 1 / 255 + 1e-6
    assert not torch.equal(low, exact)
    # What is finer than the small image can show is gone, not folded back.
    checkerboard = (torch.arange(16)[:, None] + torch.arange(16)) % 2 * 2.0 - 1
    assert LowResolution(2)(checkerboard.view(1, 1, 16, 16))[..., 2:-2, 2:-2].abs().max() < 0.05


def test_its_rows_are_source_images_of_the_smaller_size() -> None:
    condition = LowResolution(3).condition(Images((3, 12, 18)))
    assert condition.shape == (3, 4, 6)
    condition.check(LowResolution(3)(torch.zeros(2, 3, 12, 18)), 2)


def test_what_does_not_do() -> None:
    with pytest.raises(ValueError, match="factor must be at least 2"):
        LowResolution(1)
    with pytest.raises(ValueError, match="12 x 14 pixels can't be shrunk by a factor of 3"):
        LowResolution(3).condition(Images((1, 12, 14)))
    with pytest.raises(ValueError, match="only images"):
        LowResolution(2).condition(Points((24, 2)))
