"""Data are known by their content: not by their path, not by their time stamps."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from genbench.data import contents
from genbench.data.base import DataSet
from genbench.data.celeba import CelebA
from genbench.data.cifar10 import CIFAR10
from genbench.data.digits import Digits
from genbench.data.edges2digits import Edges2Digits
from genbench.data.image_folder import ImageFolder
from genbench.data.lsun import LSUN
from genbench.data.paired_folder import PairedFolder
from genbench.data.two_domains import TwoDomains
from genbench.data.unpaired_folder import UnpairedFolder
from tests.data.distributed import crop, make_celeba, make_cifar10, make_folder, make_lsun, make_pairs


def make_domains(root: Path) -> Path:
    for number, name in enumerate(("trainA", "trainB", "testA", "testB")):
        make_folder(root / name, 2, first=10 * number)
    return root


def make_classes(root: Path) -> Path:
    for number, name in enumerate(("cat", "dog")):
        make_folder(root / name, 4, first=10 * number)
    return root


MAKERS: dict[str, Any] = {
    "image_folder": (ImageFolder, make_classes, "dog/0010.png"),
    "paired_folder": (PairedFolder, make_pairs, "train/0.png"),
    "unpaired_folder": (UnpairedFolder, make_domains, "trainA/0000.png"),
    "celeba": (CelebA, lambda root: make_celeba(root, zipped=False), "img_align_celeba/000001.jpg"),
    "lsun": (LSUN, make_lsun, None),
    "cifar10": (CIFAR10, make_cifar10, None),
}


def open_data(kind: str, root: Path, prepared: Path) -> DataSet:
    settings = {} if kind == "cifar10" else {"prepared": str(prepared), "workers": 1}
    return MAKERS[kind][0](root=str(root), size=16, **settings)


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_a_copy_is_the_same_data(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    one = MAKERS[kind][1](tmp_path / "one")
    two = Path(shutil.copytree(one, tmp_path / "two", copy_function=shutil.copyfile))
    for file in two.rglob("*"):
        os.utime(file, ns=(1, 1))
    first, second = (open_data(kind, root, tmp_path / "prepared") for root in (one, two))
    described = first.describe()
    first.store("train")
    capsys.readouterr()
    assert second.describe() == described
    assert second.identity("train") == first.identity("train")
    assert len(second.store("train")) == len(first.store("train"))
    assert "preparing" not in capsys.readouterr().err
    # A run begins by describing its data, and describes them again when some are prepared.
    assert open_data(kind, one, tmp_path / "prepared").describe() == described


@pytest.mark.parametrize("kind", sorted(kind for kind, (_, _, file) in MAKERS.items() if file))
def test_one_other_picture_is_other_data(tmp_path: Path, kind: str) -> None:
    _, make, name = MAKERS[kind]
    root = make(tmp_path / "one")
    before = open_data(kind, root, tmp_path / "prepared")
    before.store("train")
    stat = (root / name).stat()
    with (root / name).open("r+b") as file:
        # The same size and the same time stamps: a byte of the checksum at its end.
        file.seek(-3, os.SEEK_END)
        byte = file.read(1)
        file.seek(-3, os.SEEK_END)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(root / name, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (root / name).stat().st_size == stat.st_size
    after = open_data(kind, root, tmp_path / "prepared")
    assert after.describe()["sha256"] != before.describe()["sha256"]
    assert after.identity("train") != before.identity("train")


def test_a_second_start_reads_no_picture_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, read, original = make_classes(tmp_path / "images"), [], contents._hash
    monkeypatch.setattr(contents, "_hash", lambda path: read.append(path.name) or original(path))
    first = open_data("image_folder", root, tmp_path / "prepared").describe()
    assert len(read) == 8
    assert open_data("image_folder", root, tmp_path / "prepared").describe() == first
    assert len(read) == 8
    # What is kept may be damaged, or not be kept at all.
    for kept in (tmp_path / "prepared" / ".contents").iterdir():
        kept.write_text("{")
    assert open_data("image_folder", root, tmp_path / "prepared").describe() == first
    assert len(read) == 16
    (tmp_path / "file").write_text("no folder")
    assert open_data("image_folder", root, tmp_path / "file").describe()["sha256"] == first["sha256"]


def test_stores_of_earlier_versions_are_named_and_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_classes(tmp_path / "images")
    (store,) = open_data("image_folder", root, tmp_path / "prepared").prepare("train")
    earlier = store.rename(store.with_name("image_folder-train-16-0123456789ab"))
    manifest = json.loads((earlier / "manifest.json").read_text())
    manifest["source"] = {"kind": "folder", "records": 8, "sha256": "of time stamps"}
    (earlier / "manifest.json").write_text(json.dumps(manifest))
    capsys.readouterr()
    assert open_data("image_folder", root, tmp_path / "prepared").prepare("train") == [store]
    said = capsys.readouterr().err
    assert f"{earlier} is of an earlier version" in said
    assert "preparing 8 images" in said


def test_what_is_small_is_told_by_images_and_conditions() -> None:
    described = [data.describe() for data in (Digits(8), Digits(8), Digits(9), Edges2Digits("digits", size=8),
                                              TwoDomains("digits_tilted", size=8))]  # fmt: skip
    assert described[0] == described[1]
    assert len({one["sha256"] for one in described}) == 4
    assert described[0]["parts"]["train"]["images"] == 1442
    assert sum(described[0]["parts"]["test"]["by_class"]) == 355
    assert described[0]["classes"] == [str(digit) for digit in range(10)]


def test_targets_of_both_directions_are_not_the_same_images(tmp_path: Path) -> None:
    make_pairs(tmp_path)
    one, two = (
        PairedFolder(direction, root=str(tmp_path), prepared=str(tmp_path / "p"), size=16, workers=1)  # type: ignore[arg-type]
        for direction in ("AtoB", "BtoA")
    )
    assert one.identity("train") != two.identity("train")
    assert one.describe()["stores"] == two.describe()["stores"]


def test_a_picture_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "images", 3)
    (root / "0003.png").symlink_to("nowhere.png")
    data = ImageFolder(root=str(root), prepared=str(tmp_path / "p"), size=16, workers=1, on_error="skip", test_every=0)
    assert data.describe()["parts"]["train"]["images"] == 4
    assert len(data.store("train")) == 3
    crop(5, 48, 40).save(root / "nowhere.png")
    assert len(ImageFolder(root=str(root), prepared=str(tmp_path / "p"), size=16, workers=1).store("train")) == 5
