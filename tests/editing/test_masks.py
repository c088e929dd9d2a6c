"""Masks: which part is known."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.editing.masks import MASKS, hide, read_mask
from genbench.errors import UserError


def test_halves_complete_each_other_and_the_centre_is_a_quarter() -> None:
    left, right, top, bottom = (read_mask(name, 6, 10) for name in ("left", "right", "top", "bottom"))
    assert (left + right == 1).all()
    assert (top + bottom == 1).all()
    assert (left[:, :5] == 0).all()
    assert (bottom[3:] == 0).all()
    centre = read_mask("center", 8, 8)
    assert (1 - centre).sum() == 16
    assert (centre[2:6, 2:6] == 0).all()


@pytest.mark.parametrize("name", MASKS)
def test_a_part_and_the_rest_are_there_in_odd_sizes_too(name: str) -> None:
    mask = read_mask(name, 5, 7)
    assert 0 < mask.sum() < 35


def test_one_pixel_has_no_half() -> None:
    with pytest.raises(UserError, match="must leave a part of 1 x 1 pixels"):
        read_mask("left", 1, 1)


def test_a_picture_is_white_where_images_are_filled_in(tmp_path: Path) -> None:
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[1, 2] = 255
    Image.fromarray(picture).save(tmp_path / "mask.png")
    mask = read_mask(str(tmp_path / "mask.png"), 4, 6)
    assert (mask == 0).nonzero().tolist() == [[1, 2]]
    images = torch.full((2, 3, 4, 6), 7, dtype=torch.uint8)
    hidden = hide(images, mask)
    assert (hidden[:, :, 1, 2] == 128).all()
    assert (hidden != 7).sum() == 2 * 3
