"""CelebA: every image with its own row, in the official splits, from the zip or the folder."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.data.celeba import CelebA
from genbench.errors import UserError
from tests.data.distributed import ATTRIBUTES, attribute_of, crop, encode, make_celeba

SPLITS = {"train": [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 16, 17, 18, 19], "val": [6, 14], "test": [7, 15]}


def celeba(root: Path, **settings: object) -> CelebA:
    return CelebA(root=str(root), prepared=str(root / "prepared"), **{"size": 16, "workers": 1, **settings})  # type: ignore[arg-type]


def pixels(index: int, size: int, side: int) -> np.ndarray:
    with Image.open(io.BytesIO(encode(crop(index, 178, 218)))) as image:
        left, top = (178 - side) // 2, (218 - side) // 2
        return np.asarray(
            image.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.BILINEAR)
        )


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("split", SPLITS)
def test_images_and_attributes_belong_together(tmp_path: Path, zipped: bool, split: str) -> None:
    store = celeba(make_celeba(tmp_path / "celeba", zipped=zipped).parent).store(split)  # type: ignore[arg-type]
    indices = SPLITS[split]
    assert len(store) == len(indices)
    batch = store.batch(slice(0, len(indices)))
    for row, index in enumerate(indices):
        levels = ((batch.x[row] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(levels, pixels(index, 16, 178))
    expected = [[attribute_of(index, column) for column in range(len(ATTRIBUTES))] for index in indices]
    assert batch.condition is not None
    assert batch.condition.dtype == torch.float32
    assert batch.condition.tolist() == expected


@pytest.mark.parametrize("side", [178, 140, 108])
def test_the_well_known_crops(tmp_path: Path, side: int) -> None:
    images = celeba(make_celeba(tmp_path), crop=side).store("test").samples[:]
    np.testing.assert_array_equal(images[1].permute(1, 2, 0).numpy(), pixels(15, 16, side))


def test_the_crop_of_ddim_is_around_the_face_not_the_centre(tmp_path: Path) -> None:
    data = celeba(make_celeba(tmp_path), crop="ddim")
    with Image.open(io.BytesIO(encode(crop(15, 178, 218)))) as image:
        expected = np.asarray(image.crop((25, 57, 153, 185)).resize((16, 16), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(data.store("test").samples[:][1].permute(1, 2, 0).numpy(), expected)
    assert data.preparation.describe()["crop"] == "128 at (25, 57)"
    with pytest.raises(ValueError, match="it has 100 x 100 pixels, and the crop ends at 153 x 185"):
        data.preparation.fit(Image.new("RGB", (100, 100)))


def test_some_attributes_in_the_order_asked_for_from_one_store(tmp_path: Path) -> None:
    every = celeba(make_celeba(tmp_path)).store("train").conditions[:]
    some = celeba(tmp_path, attributes=["Smiling", "Male"]).store("train").conditions[:]
    assert torch.equal(some, every[:, [2, 1]])
    assert len(list((tmp_path / "prepared").glob("celeba-train-*"))) == 1
    with pytest.raises(UserError, match="no 'Smilling'; did you mean Smiling"):
        celeba(tmp_path, attributes=["Smilling"]).store("train")
    with pytest.raises(UserError, match="names no attribute"):
        celeba(tmp_path, attributes=[])


def test_a_row_less_is_named(tmp_path: Path) -> None:
    make_celeba(tmp_path)
    for name, row in [("list_attr_celeba.txt", "000004.jpg"), ("list_eval_partition.txt", "000007.jpg")]:
        path = tmp_path / name
        whole = path.read_text()
        lines = [line for line in whole.splitlines() if not line.startswith(row)]
        path.write_text("\n".join(lines).replace("20\n", "19\n", 1))
        with pytest.raises(UserError, match=f"{name} has no row for {row}"):
            celeba(tmp_path).store("train")
        path.write_text(whole)


def test_an_image_less_is_named(tmp_path: Path) -> None:
    make_celeba(tmp_path, zipped=False)
    (tmp_path / "img_align_celeba" / "000009.jpg").unlink()
    with pytest.raises(UserError, match=r"names 000009\.jpg, one of 1 that .*img_align_celeba lacks"):
        celeba(tmp_path).store("train")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("list_attr_celeba.txt", ("20\n", "21\n"), "says that it has 21 rows and has 20"),
        ("list_attr_celeba.txt", ("000003.jpg", "000003.jpg -1"), "line 5"),
        ("list_attr_celeba.txt", ("20\n", "Eyeglasses\n"), "does not begin with a count"),
        ("list_eval_partition.txt", ("000003.jpg 0", "000003.jpg 3"), "line 3"),
    ],
)
def test_damaged_annotations_are_refused(tmp_path: Path, name: str, change: tuple[str, str], message: str) -> None:
    path = make_celeba(tmp_path) / name
    path.write_text(path.read_text().replace(*change, 1))
    with pytest.raises(UserError, match=message):
        celeba(tmp_path).store("train")


def test_a_damaged_member_of_the_zip_is_named(tmp_path: Path) -> None:
    path = make_celeba(tmp_path) / "img_align_celeba.zip"
    with zipfile.ZipFile(path) as archive:
        offset = archive.getinfo("img_align_celeba/000011.jpg").header_offset
    content = bytearray(path.read_bytes())
    content[offset + 900] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"img_align_celeba/000011\.jpg of .* can't be read: Bad CRC"):
        celeba(tmp_path).store("train")
    store = celeba(tmp_path, on_error="skip").store("train")
    kept = [index for index in SPLITS["train"] if index != 10]
    assert store.conditions[:].tolist() == [[attribute_of(index, column) for column in range(4)] for index in kept]


def test_what_is_missing_is_said_with_sizes_and_checksums(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"img_align_celeba\.zip \(1,443,490,838 bytes, MD5 00d2c5bc6d35e252742224ab0"):
        celeba(tmp_path).store("train")
    make_celeba(tmp_path)
    (tmp_path / "list_attr_celeba.txt").unlink()
    with pytest.raises(UserError, match=r"^list_attr_celeba\.txt is not under"):
        celeba(tmp_path).store("train")
