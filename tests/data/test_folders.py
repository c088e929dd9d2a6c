"""Folders of images: with and without classes, with and without splits, in pairs and in two domains."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.conditions.base import Index
from genbench.conditions.source_images import SourceImages
from genbench.data.base import Split
from genbench.data.description import summary
from genbench.data.digits import Digits
from genbench.data.folders import list_images, natural_order
from genbench.data.image_folder import ImageFolder
from genbench.data.paired_folder import PairedFolder
from genbench.data.store import SampleStore
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
    assert (data.condition, train.conditions) == (None, None)
    np.testing.assert_array_equal(test.samples[:].numpy(), np.stack([pixels(9), pixels(19)]))
    kept = [index for index in range(25) if index not in (9, 19)]
    np.testing.assert_array_equal(train.samples[:].numpy(), np.stack([pixels(index) for index in kept]))
    assert folder(tmp_path / "images", test_every=0).splits == ("train",)


def test_subfolders_are_classes(tmp_path: Path) -> None:
    for number, name in enumerate(["cat", "dog", "owl"]):
        make_folder(tmp_path / "images" / name, 4, first=10 * number)
    make_folder(tmp_path / "images" / "owl" / "young", 2, first=50)
    data = folder(tmp_path / "images", test_every=4)
    assert data.condition.form == Index(3)  # type: ignore[union-attr]
    assert data.store("train").conditions[:].tolist() == [0] * 3 + [1] * 3 + [2] * 5
    assert data.store("test").conditions[:].tolist() == [0, 1, 2]
    flat = folder(tmp_path / "images", test_every=0, classes=False)
    assert (flat.condition, len(flat.store("train"))) == (None, 14)


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
    with pytest.raises(UserError, match=r"class folders and also images outside them such as 0000\.png"):
        folder(tmp_path / "images").store("train")
    assert len(folder(tmp_path / "images", classes=False).store("train")) == 3
    make_folder(tmp_path / "others" / "train", 2)
    make_folder(tmp_path / "others" / "test", 2)
    make_folder(tmp_path / "others" / "more", 2)
    with pytest.raises(UserError, match="and also more"):
        folder(tmp_path / "others").store("train")
    with pytest.raises(UserError, match="holds no image"):
        folder(tmp_path / "nowhere").store("train")
    with pytest.raises(UserError, match=r"data\.name"):
        folder(tmp_path, name="../anime")


def test_a_picture_that_was_replaced_is_prepared_anew(tmp_path: Path) -> None:
    make_folder(tmp_path / "images", 3, kind="BMP")
    before = folder(tmp_path / "images").store("train").samples[:]
    path = tmp_path / "images" / "0001.bmp"
    size = path.stat().st_size
    crop(77, 48, 40).save(path)
    os.utime(path, ns=(1, 1))
    assert path.stat().st_size == size
    after = folder(tmp_path / "images").store("train").samples[:]
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
    np.testing.assert_array_equal(data.store("train").samples[:][0, 0].numpy(), expected)


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
    assert batch.x.shape == batch.condition.shape == (5, 3, 16, 16)
    torch.testing.assert_close(batch.x, batch.condition.flip(2), atol=0.01, rtol=0)
    left = crop(0, 48, 48).resize((16, 16), Image.Resampling.BICUBIC)
    store = data.store("train")
    first = store.conditions if direction == "AtoB" else store.samples
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
    targets, sources = which(batch.x, 10, 7), which(batch.condition, 0, 3)
    assert sorted(targets) == list(range(7))
    assert sorted(np.bincount(sources)) == [2, 2, 3]
    with pytest.raises(UserError, match="no folder trainB"):
        UnpairedFolder(root=str(tmp_path / "none"), prepared=str(tmp_path / "p2")).store("train")


@pytest.mark.parametrize(
    ("parts", "splits"),
    [
        ("train valid", {"train": "train/", "test": "valid/"}),
        ("Train Test", {"train": "Train/", "test": "Test/"}),
        ("TRAINING validation", {"train": "TRAINING/", "test": "validation/"}),
        ("train dev eval", {"train": "train/", "val": "dev/", "test": "eval/"}),
        ("train", {"train": "train/", "test": "one in 2 of each class, held out"}),
    ],
)
@pytest.mark.parametrize("linked", [False, True])
def test_splits_have_many_names_and_are_never_classes(
    tmp_path: Path, parts: str, splits: dict[str, str], linked: bool
) -> None:
    first, *others = parts.split()
    for number, name in enumerate(("cat", "dog")):
        make_folder(tmp_path / "images" / first / name, 2, first=10 * number)
        for other in others:
            if linked:
                (tmp_path / "images" / other).mkdir(exist_ok=True)
                (tmp_path / "images" / other / name).symlink_to(f"../{first}/{name}")
            else:
                make_folder(tmp_path / "images" / other / name, 2, first=10 * number)
    data = folder(tmp_path / "images", test_every=2)
    assert {split: data.where(split) for split in data.splits} == splits
    assert data.class_names == ["cat", "dog"]
    assert data.store("train").conditions[:].tolist() == ([0, 0, 1, 1] if others else [0, 1])
    assert data.store("test").conditions[:].tolist() == ([0, 0, 1, 1] if others else [0, 1])


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for number, name in enumerate(("car", "train")):
        make_folder(tmp_path / "images" / name, 2, first=10 * number)
    assert folder(tmp_path / "images").class_names == ["car", "train"]
    (tmp_path / "images" / "train" / "0010.png").rename(tmp_path / "images" / "car" / "0010.png")
    (tmp_path / "images" / "train" / "0011.png").rename(tmp_path / "images" / "train.png")
    make_folder(tmp_path / "images" / "train" / "steam", 2)
    (tmp_path / "images" / "train.png").unlink()
    with pytest.raises(UserError, match=r"folders of splits \(train\) and also car"):
        folder(tmp_path / "images").store("train")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ("train val validation", "val and validation, which both name the val split"),
        ("Train train test", "Train and train, which both name the train split"),
        ("valid test", "but none called train"),
    ],
)
def test_folders_of_splits_that_mean_two_things_are_refused(tmp_path: Path, parts: str, message: str) -> None:
    for part in parts.split():
        make_folder(tmp_path / "images" / part / "cat", 2)
    with pytest.raises(UserError, match=message):
        folder(tmp_path / "images").store("train")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            "flowers/train/a flowers/valid/a",
            r"splits \(train, valid\) within flowers: give data\.root=.*images/flowers",
        ),
        ("cat/train cat/test dog/train dog/test", "within cat, dog: put the folders of splits at the top"),
    ],
)
def test_splits_within_classes_are_refused(tmp_path: Path, parts: str, message: str) -> None:
    for part in parts.split():
        make_folder(tmp_path / "images" / part, 2)
    with pytest.raises(UserError, match=message):
        folder(tmp_path / "images").store("train")


def test_pairs_and_domains_have_many_names_of_splits_too(tmp_path: Path) -> None:
    make_pairs(tmp_path / "pairs", ("Train", "valid"))
    pairs = PairedFolder(root=str(tmp_path / "pairs"), prepared=str(tmp_path / "p"), **SMALL)  # type: ignore[arg-type]
    assert (pairs.splits, pairs.where("test"), len(pairs.store("test"))) == (("train", "test"), "valid/", 5)
    for number, name in enumerate(("TrainA", "trainB", "validA", "validB")):
        make_folder(tmp_path / "domains" / name, 2 + number, first=10 * number)
    domains = UnpairedFolder(root=str(tmp_path / "domains"), prepared=str(tmp_path / "p"), **SMALL)  # type: ignore[arg-type]
    assert domains.splits == ("train", "test")
    assert {part: facts["images"] for part, facts in domains.describe()["parts"].items()} == {
        "trainB": 3, "trainA": 2, "testB": 5, "testA": 4,
    }  # fmt: skip


@pytest.mark.parametrize("turned", [False, True])
def test_a_class_that_is_reached_by_a_link_is_kept_whatever_the_order(
    tmp_path: Path, turned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    class Turned:
        def __init__(self, path: str) -> None:
            with scandir(path) as found:
                self.entries = sorted(found, key=lambda entry: entry.name, reverse=turned)

        def __enter__(self) -> list[os.DirEntry]:
            return self.entries

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Turned)
    images = tmp_path / "images"
    make_folder(images / "a" / "x", 2)
    make_folder(images / "b" / "y", 3, first=10)
    (images / "b" / "x").symlink_to("../a/x")
    (images / "c").symlink_to("b")
    found, _ = list_images(images)
    assert found == sorted(
        f"{place}/{name:04d}.png"
        for place, names in [
            ("a/x", (0, 1)),
            ("b/x", (0, 1)),
            ("c/x", (0, 1)),
            ("b/y", (10, 11, 12)),
            ("c/y", (10, 11, 12)),
        ]
        for name in names
    )


def test_links_in_circles_come_to_an_end(tmp_path: Path) -> None:
    names = [f"c{index}" for index in range(12)]
    for name in names:
        make_folder(tmp_path / "images" / name, 1)
    for name in names:
        for other in names:
            (tmp_path / "images" / name / f"to_{other}").symlink_to(f"../{other}")
    (tmp_path / "images" / "itself").symlink_to("itself")
    (tmp_path / "images" / "root").symlink_to(tmp_path / "images")
    found, others = list_images(tmp_path / "images")
    # Each class has its own picture, and by way of its links those of all others, but no endless chains of them.
    assert {name.split("/")[0] for name in found} == set(names)
    assert len(found) < 12**3
    assert others == 1


def test_classes_are_numbered_as_people_count(tmp_path: Path) -> None:
    for number in range(1, 12):
        make_folder(tmp_path / "images" / str(number), 1, first=number)
    data = folder(tmp_path / "images", test_every=0)
    assert data.class_names == [str(number) for number in range(1, 12)]
    kept = dict(zip(data.store("train").conditions[:].tolist(), data.store("train").samples[:], strict=True))
    np.testing.assert_array_equal(kept[9].numpy(), pixels(10))
    assert sorted(["b2", "b10", "a", "b", "2", "B2", "07", "7"], key=natural_order) == [
        "2", "07", "7", "B2", "a", "b", "b2", "b10",
    ]  # fmt: skip
    condition = data.condition
    assert condition is not None
    assert [condition.parse(label).tolist() for label in ("0", "10", "3")] == [[0], [10], [3]]
    with pytest.raises(ValueError, match="classes 0 to 10; the class named 11 is label=10"):
        condition.parse("11")


def test_what_was_understood_is_said_in_few_words(tmp_path: Path) -> None:
    for number in range(40):
        make_folder(tmp_path / "images" / f"class{number}", 2, first=number)
    lines = summary(folder(tmp_path / "images", test_every=2, name="flowers").describe())
    assert lines[0] == "data: flowers: train 40 images, test 40 images (one in 2 of each class, held out)"
    assert lines[1].startswith("classes: 0: class0 (1 + 1), 1: class1 (1 + 1), ")
    assert lines[1].endswith("38: class38 (1 + 1), 39: class39 (1 + 1) (40 in all)")
    assert len(lines[1]) < 250


def test_a_reference_is_the_whole_folder_unless_its_maker_divided_it(tmp_path: Path) -> None:
    data = folder(make_folder(tmp_path / "images", 20))
    assert data.undivided().startswith("all images of the folder")
    assert (data.splits, len(data.store("train"))) == (("train",), 20)
    for name in ("train", "test"):
        make_folder(tmp_path / "divided" / name, 4)
    data = folder(tmp_path / "divided")
    assert data.undivided().startswith("the training images as")
    assert (data.splits, len(data.store("train"))) == (("train", "test"), 4)


def test_sources_of_another_size_than_is_said_are_refused() -> None:
    class Odd(Digits):
        def __init__(self, size: int) -> None:
            super().__init__(size)
            self.condition = SourceImages((1, 4, 4))  # type: ignore[assignment]

        def load(self, split: Split) -> SampleStore:
            images = super().load(split).samples[:]
            return SampleStore(images, images)

    with pytest.raises(
        UserError, match=r"source images of digits train have shape \(1, 8, 8\), and the data set declares"
    ):
        Odd(8).store("train")
