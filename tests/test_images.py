"""The two ranges of an image."""

import pytest
import torch

from genbench.images import first_of_each, to_float, to_uint8


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


def test_an_image_that_is_there_several_times_counts_once() -> None:
    images = torch.tensor([[1, 2], [3, 4], [1, 2], [2, 1], [3, 4]], dtype=torch.uint8).view(5, 1, 1, 2)
    assert first_of_each(images).tolist() == [0, 1, 3]
    assert first_of_each(images[:0]).tolist() == []
