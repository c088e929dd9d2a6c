"""Animations of pictures."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from genbench.figures.animation import save_animation


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_an_animation_has_all_frames(tmp_path: Path, ending: str) -> None:
    frames = [torch.full((1, 8, 8), 25 * index, dtype=torch.uint8) for index in range(10)]
    save_animation(frames, tmp_path / "new" / f"path.{ending}")
    with Image.open(tmp_path / "new" / f"path.{ending}") as picture:
        assert picture.n_frames == 10  # type: ignore[attr-defined]
        assert picture.info["loop"] == 0
