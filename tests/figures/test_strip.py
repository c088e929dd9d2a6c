"""The strip of samples that the report leads with."""

import base64
import io
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from genbench.figures import report
from genbench.figures.grid import make_grid, place_beside
from genbench.images import save_image


def opened(embedded: dict[str, Any]) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(embedded["address"].partition(",")[2])))


@pytest.mark.parametrize(
    ("images", "rows"),
    [
        (torch.full((9, 1, 8, 8), 200), 1), (torch.full((9, 3, 64, 64), 200), 1), (torch.full((4, 3, 100, 40), 200), 1),
        (place_beside(torch.full((9, 1, 28, 28), 200), torch.full((9, 3, 28, 28), 10)), 1),
    ],
)  # fmt: skip
def test_it_is_the_first_row_whatever_the_images_are(tmp_path: Path, images: torch.Tensor, rows: int) -> None:
    """The images of the second row are black, so a strip with one of them would be dark at its bottom."""
    images = images.to(torch.uint8)
    columns = 3 if len(images) == 9 else 2
    images[columns:] = 0
    save_image(make_grid(images, columns), tmp_path / "grid.png")
    strip = report.strip(tmp_path / "grid.png")
    picture = opened(strip).convert("L")
    assert (picture.width, picture.height) == (strip["width"], strip["height"])
    assert picture.height <= 68
    left = [picture.getpixel((picture.height // 4, y)) for y in range(4, picture.height - 4)]
    assert min(left) > 150


def test_what_has_no_rows_is_shown_as_it_is(tmp_path: Path) -> None:
    save_image(torch.full((3, 50, 80), 7, dtype=torch.uint8), tmp_path / "plain.png")
    strip = report.strip(tmp_path / "plain.png")
    assert (strip["width"], strip["height"]) == (80, 50)
