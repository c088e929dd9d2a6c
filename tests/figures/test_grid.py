"""Grids: every image whole, in order, enlarged by a whole factor."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.figures.grid import make_grid
from genbench.images import save_image


def test_images_stand_in_rows_with_margins() -> None:
    images = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 1, 60, 60)
    grid = make_grid(images, columns=3)
    assert grid.shape == (1, 2 * 62 + 2, 3 * 62 + 2)
    for index in range(5):
        row, column = divmod(index, 3)
        tile = grid[0, 2 + 62 * row : 62 + 62 * row, 2 + 62 * column : 62 + 62 * column]
        assert (tile == index).all()


def test_small_images_are_enlarged_without_smoothing() -> None:
    image = torch.tensor([[0, 255], [255, 0]], dtype=torch.uint8).view(1, 1, 2, 2)
    grid = make_grid(image)[0, 2:-2, 2:-2]
    assert grid.shape == (64, 64)
    assert set(grid.unique().tolist()) == {0, 255}
    assert (grid[:32, :32] == 0).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_saved_image_is_read_back_as_it_was(tmp_path: Path, channels: int) -> None:
    image = torch.randint(0, 256, (channels, 5, 7), dtype=torch.uint8)
    save_image(image, tmp_path / "new" / "image.png")
    read = np.asarray(Image.open(tmp_path / "new" / "image.png"))
    np.testing.assert_array_equal(read if channels == 3 else read[:, :, None], image.permute(1, 2, 0).numpy())
