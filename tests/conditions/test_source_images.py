"""Source images, as they are stored, given to a method and read from a file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.conditions.source_images import SourceImages


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_a_pictures_file_is_a_stored_row(tmp_path: Path, channels: int, mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, channels), dtype=np.uint8)
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels, mode).save(tmp_path / "source.png")
    condition = SourceImages((channels, 4, 6))
    row = condition.parse(str(tmp_path / "source.png"))
    np.testing.assert_array_equal(row.numpy(), pixels.transpose(2, 0, 1)[None])
    loaded = condition.load(row)
    assert loaded.abs().max() <= 1
    assert torch.equal(condition.store(condition.check(loaded, 1)), row)
    assert condition.picture(row) is row


def test_files_that_are_no_such_picture_are_refused(tmp_path: Path) -> None:
    condition = SourceImages((1, 4, 6))
    (tmp_path / "text.png").write_text("no picture")
    Image.new("L", (4, 6)).save(tmp_path / "turned.png")
    for name, message in (
        ("text.png", "can't be read as a picture"),
        ("none.png", "can't be read as a picture"),
        ("turned.png", "is 4 x 6, and sources are 6 x 4"),
    ):
        with pytest.raises(ValueError, match=message):
            condition.parse(str(tmp_path / name))


def test_rows_that_are_no_such_images_are_refused() -> None:
    condition = SourceImages((1, 4, 6))
    for rows in (torch.zeros(1, 1, 4, 6, dtype=torch.uint8), torch.zeros(1, 3, 4, 6), torch.zeros(1, 4, 6)):
        with pytest.raises(ValueError, match=r"float32 of shape \(1, 4, 6\)"):
            condition.check(rows, 1)
    for shape in ((2, 4, 4), (4, 4), (1, 0, 4)):
        with pytest.raises(ValueError, match="1 or 3 channels"):
            SourceImages(shape)
