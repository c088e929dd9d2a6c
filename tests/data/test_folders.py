"""Folders of images: with and without classes, with and without splits, in pairs and in two domains."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.data.image_folder import ImageFolder
from genbench.data.paired_folder import PairedFolder
from genbench.data.unpaired_folder import UnpairedFolder
from genbench.errors import UserError
from tests.data.distributed import crop, make_folder, make_pairs

SMALL = {"size": 16, "workers": 1}


def folder(root: Path, **settings: object) -> ImageFolder:
    return ImageFolder(root=str(root), prepared=str(root.parent / "prepared"), **{**SMALL, **settings})  # type: ignore[arg-type]


def pixels(index: int) -> np.ndarray:
    image = crop(index, 48, 40).crop((4, 0, 44, 40)).resize((16, 16), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1)


def test_a_plain_folder_has_no_classes_and_holds_out_every_tenth(tmp_path: Path) -> None:
    make_folder(tmp_path / "images", 25)
    (tmp_path / "images" / "notes.txt").write_text("not an image")
    (tmp_path / "images" / ".hidden.png").write_text("not an image")
    data = folder(tmp_path / "images")
    train, test = data.store("train"), data.store("test")
    assert (data.num_classes, train.conditions) == (None, None)
    np.testing.assert_array_equal(test.images[:].numpy(), np.stack([pixels(9), pixels(19)]))
    kept = [index for index in range(25) if index not in (9, 19)]
    np.testing.assert_array_equal(train.images[:].numpy(), np.stack([pixels(index) for index in kept]))
    assert folder(tmp_path / "images", test_every=0).splits == ("train",)


def test_subfolders_are_classes(tmp_path: Path) -> None:
    for number, name in enumerate(["cat", "dog", "owl"]):
        make_folder(tmp_path / "images" / name, 4, first=10 * number)
    make_folder(tmp_path / "images" / "owl" / "young", 2, first=50)
    data = folder(tmp_path / "images", test_every=4)
    assert data.num_classes == 3
    assert data.store("train").conditions[:].tolist() == [0] * 3 + [1] * 3 + [2] * 5
    assert data.store("test").conditions[:].tolist() == [0, 1, 2]
    flat = folder(tmp_path / "images", test_every=0, classes=False)
    assert (flat.num_classes, len(flat.store("train"))) == (None, 14)


def test_folders_of_splits(tmp_path: Path) -> None:
    for number, part in enumerate(["train/a", "train/b", "val/a", "val/b"]):
        make_folder(tmp_path / "images" / part, 2 + number, first=10 * number)
    data = folder(tmp_path / "images")
    assert data.splits == ("train", "test")
    assert data.store("train").conditions[:].tolist() == [0, 0, 1, 1, 1]
    assert data.store("test").conditions[:].tolist() == [0] * 4 + [1] * 5
    make_folder(tmp_path / "images" / "test" / "b", 1)
    assert folder(tmp_path / "images").splits == ("train", "val", "test")
    assert folder(tmp_path / "images").store("test").conditions[:].tolist() == [1]


def test_folders_that_mean_two_things_are_refused(tmp_path: Path) -> None:
    make_folder(tmp_path / "images" / "cat", 2)
    make_folder(tmp_path / "images", 1)
    with pytest.raises(UserError, match=r"class folders and beside them images such as 0000\.png"):
        folder(tmp_path / "images").store("train")
    assert len(folder(tmp_path / "images", classes=False).store("train")) == 3
    make_folder(tmp_path / "others" / "train", 2)
    make_folder(tmp_path / "others" / "test", 2)
    make_folder(tmp_path / "others" / "more", 2)
    with pytest.raises(UserError, match="beside them more"):
        folder(tmp_path / "others").store("train")
    with pytest.raises(UserError, match="holds no image"):
        folder(tmp_path / "nowhere").store("train")
    with pytest.raises(UserError, match=r"data\.name"):
        folder(tmp_path, name="../anime")


def test_a_picture_that_was_replaced_is_prepared_anew(tmp_path: Path) -> None:
    make_folder(tmp_path / "images", 3, kind="BMP")
    before = folder(tmp_path / "images").store("train").images[:]
    path = tmp_path / "images" / "0001.bmp"
    size = path.stat().st_size
    crop(77, 48, 40).save(path)
    os.utime(path, ns=(1, 1))
    assert path.stat().st_size == size
    after = folder(tmp_path / "images").store("train").images[:]
    assert [bool((before[row] == after[row]).all()) for row in range(3)] == [True, False, True]


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    make_folder(tmp_path / "images" / "a", 2)
    make_folder(tmp_path / "elsewhere", 3, first=10)
    (tmp_path / "images" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "images" / "a" / "back").symlink_to(tmp_path / "images")
    data = folder(tmp_path / "images", test_every=0)
    assert data.store("train").conditions[:].tolist() == [0, 0, 1, 1, 1]


def test_grey_images(tmp_path: Path) -> None:
    data = folder(make_folder(tmp_path / "images", 3), channels=1)
    assert data.image_shape == (1, 16, 16)
    expected = np.asarray(crop(0, 48, 40).convert("L").crop((4, 0, 44, 40)).resize((16, 16), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(data.store("train").images[:][0, 0].numpy(), expected)


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_pairs_belong_together(tmp_path: Path, direction: str) -> None:
    """B is A upside down, and so it stays through cropping, resizing, shuffling and mirroring."""
    make_pairs(tmp_path)
    data = PairedFolder(
        root=str(tmp_path),
        prepared=str(tmp_path / "prepared"),
        direction=direction,  # type: ignore[arg-type]
        batch_size=5,
        flip=True,
        **SMALL,  # type: ignore[arg-type]
    )
    assert data.splits == ("train", "val", "test")
    (batch,) = data.train_dataloader()
    assert batch.image.shape == batch.condition.shape == (5, 3, 16, 16)
    torch.testing.assert_close(batch.image, batch.condition.flip(2), atol=0.01, rtol=0)
    left = crop(0, 48, 48).resize((16, 16), Image.Resampling.BICUBIC)
    store = data.store("train")
    first = store.conditions if direction == "AtoB" else store.images
    np.testing.assert_array_equal(first[:][0].permute(1, 2, 0).numpy(), np.asarray(left))


def test_a_pair_of_odd_width_is_no_pair(tmp_path: Path) -> None:
    make_pairs(tmp_path, ("train", "val"))
    crop(1, 95, 48).save(tmp_path / "train" / "1.png")
    data = PairedFolder(root=str(tmp_path), prepared=str(tmp_path / "prepared"), **SMALL)  # type: ignore[arg-type]
    assert data.splits == ("train", "test")
    with pytest.raises(UserError, match=r"1\.png of .*95 pixels wide"):
        data.store("train")


def test_two_domains_are_shuffled_by_themselves(tmp_path: Path) -> None:
    for name, count, first in [("trainA", 3, 0), ("trainB", 7, 10), ("testA", 2, 20), ("testB", 2, 30)]:
        make_folder(tmp_path / name, count, size=(16, 16), first=first)
    data = UnpairedFolder(root=str(tmp_path), prepared=str(tmp_path / "prepared"), batch_size=7, **SMALL)  # type: ignore[arg-type]
    assert len(data.store("train")) == 7

    def which(images: torch.Tensor, first: int, count: int) -> list[int]:
        levels = ((images + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
        known = [np.asarray(crop(index, 16, 16)) for index in range(first, first + count)]
        return [next(i for i, one in enumerate(known) if (one == image).all()) for image in levels]

    (batch,) = data.train_dataloader()
    targets, sources = which(batch.image, 10, 7), which(batch.condition, 0, 3)
    assert sorted(targets) == list(range(7))
    assert sorted(np.bincount(sources)) == [2, 2, 3]
    with pytest.raises(UserError, match="no folder trainB"):
        UnpairedFolder(root=str(tmp_path / "none"), prepared=str(tmp_path / "p2")).store("train")
