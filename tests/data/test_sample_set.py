"""Somebody's samples: read whatever way they were saved, refused where they are no images."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.data.preparation import Preparation
from genbench.data.sample_set import open_frames, open_samples
from genbench.errors import UserError
from tests.data.distributed import crop, make_folder


def expected(count: int) -> np.ndarray:
    return np.stack([np.asarray(crop(index, 16, 12)).transpose(2, 0, 1) for index in range(count)])


def test_every_way_of_saving_gives_the_same_images(tmp_path: Path) -> None:
    make_folder(tmp_path / "folder", 5, size=(16, 12))
    with zipfile.ZipFile(tmp_path / "zip.zip", "w") as archive:
        for file in (tmp_path / "folder").iterdir():
            archive.write(file, f"inner/{file.name}")
    images = expected(5)
    np.save(tmp_path / "chw.npy", images)
    np.savez(tmp_path / "hwc.npz", images.transpose(0, 2, 3, 1), np.arange(5))
    for name in ("folder", "zip.zip", "chw.npy", "hwc.npz"):
        samples = open_samples(tmp_path / name, 3)
        assert (len(samples), tuple(samples.shape)) == (5, (5, 3, 12, 16))
        np.testing.assert_array_equal(samples[1:4].numpy(), images[1:4])
    grey = open_samples(tmp_path / "folder", 1)
    np.testing.assert_array_equal(grey[:1][0, 0].numpy(), np.asarray(crop(0, 16, 12).convert("L")))


def test_arrays_that_are_no_images_are_refused(tmp_path: Path) -> None:
    cases = [
        (np.zeros((2, 8, 8, 3), np.float32), "float32 from 0.0 to 0.0: samples are uint8"),
        (np.full((2, 8, 8, 3), np.nan), "float64 with NaN or infinite values"),
        (np.zeros((2, 8, 8, 4), np.uint8), "have 3 channels"),
        (np.zeros((8, 8, 8), np.uint8), "have 3 channels"),
        (np.zeros((8, 8), np.uint8), "the shape"),
        (np.zeros((0, 8, 8, 3), np.uint8), "the shape"),
        (np.array([{"a": 1}], dtype=object), "can't be read"),
    ]
    for array, message in cases:
        np.save(tmp_path / "samples.npy", array)
        with pytest.raises(UserError, match=message):
            open_samples(tmp_path / "samples.npy", 3)


def test_pictures_that_can_not_be_read_are_named(tmp_path: Path) -> None:
    make_folder(tmp_path / "folder", 4, size=(16, 12))
    (tmp_path / "folder" / "0002.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"0002\.png of .*folder can't be read"):
        open_samples(tmp_path / "folder", 3)[:]
    Image.new("RGB", (16, 13)).save(tmp_path / "folder" / "0002.png")
    with pytest.raises(UserError, match=r"0002\.png of .* has 16 x 13 pixels, and 0000\.png has 16 x 12"):
        open_samples(tmp_path / "folder", 3)[:]
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("nothing")
    for name, message in [("empty", "no picture"), ("nowhere", "neither"), ("notes.txt", "folder or zip")]:
        with pytest.raises(UserError, match=message):
            open_samples(tmp_path / name, 3)


def test_frames_are_in_natural_order_and_prepared_where_they_are_of_another_size(tmp_path: Path) -> None:
    for number, size in ((10, (8, 8)), (9, (16, 20)), (1, (8, 8))):
        Image.new("L", size, number).save(tmp_path / f"{number}.png")
    preparation = Preparation(8, channels=1)
    frames = open_frames(tmp_path, (1, 8, 8), preparation, "driver")
    assert frames[:, 0, 0, 0].tolist() == [1, 9, 10]
    assert frames.shape == (3, 1, 8, 8)
    one = open_frames(tmp_path / "9.png", (1, 8, 8), preparation, "images")
    assert torch.equal(one, frames[1:2])
    np.save(tmp_path / "frames.npy", frames.numpy())
    assert torch.equal(open_frames(tmp_path / "frames.npy", (1, 8, 8), None, "driver"), frames)
    with pytest.raises(UserError, match="16 x 20 pixels, and"):
        open_frames(tmp_path, (1, 8, 8), None, "driver")
    with pytest.raises(UserError, match=r"driver=.*are of \(1, 8, 8\)"):
        open_frames(tmp_path / "10.png", (1, 16, 16), None, "driver")
    with pytest.raises(UserError, match=r"none\.png"):
        open_frames(tmp_path / "none.png", (1, 8, 8), None, "driver")
