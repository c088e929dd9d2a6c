"""The two ranges of an image."""

import pytest
import torch

from genbench.images import to_float, to_uint8


def test_every_level_survives_the_round_trip() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    floats = to_float(levels)
    assert floats.dtype == torch.float32
    assert (floats.min().item(), floats.max().item()) == (-1.0, 1.0)
    assert torch.equal(to_uint8(floats), levels)


def test_levels_are_rounded_and_clipped() -> None:
    images = torch.tensor([-3.0, -1.0, 0.0, 0.4 / 127.5, 0.6 / 127.5, 1.0, 3.0])
    assert to_uint8(images).tolist() == [0, 0, 128, 128, 128, 255, 255]


def test_wrong_types_are_refused() -> None:
    with pytest.raises(TypeError, match="uint8"):
        to_float(torch.zeros(3))
    with pytest.raises(TypeError, match="floating"):
        to_uint8(torch.zeros(3, dtype=torch.uint8))
