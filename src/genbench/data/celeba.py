"""CelebA, aligned (Liu et al. 2015, https://arxiv.org/abs/1411.7766): 202,599 faces of 178 x 218 with 40 attributes.

Example:
    python -m genbench prepare data=celeba data.root=~/celeba data.crop=178 data.size=64
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor

from genbench.conditions.attributes import Attributes
from genbench.data.base import Split
from genbench.data.preparation import Crop, Square
from genbench.data.prepared import MissingDataError, PreparedData, Records
from genbench.data.sources import FolderSource, ZipSource
from genbench.data.store import SampleStore
from genbench.errors import UserError, near
from genbench.text.faces import describe_face, every_phrase

_FILES = {
    "img_align_celeba.zip": (1_443_490_838, "00d2c5bc6d35e252742224ab0c1e8fcb"),
    "list_attr_celeba.txt": (26_721_026, "75e246fa4810816ffd6ee81facbd244c"),
    "list_eval_partition.txt": (2_836_386, "d32c9cbf5e040fd4025c592c306e6668"),
}
_DDIM = Square(left=89 - 64, top=121 - 64, side=128)
"""Around the point (89, 121), as the code of DDIM cuts out the faces (Song et al. 2021)."""

_SPLITS = {"train": 0, "val": 1, "test": 2}


class CelebA(PreparedData):
    """The official splits, with 40 attributes of 0 or 1, or some of them, as the condition (B, K), float32.

    `root`, or `root/celeba`, holds `img_align_celeba.zip`, which is read in place, or the extracted folder
    `img_align_celeba`, and also `list_attr_celeba.txt` and `list_eval_partition.txt`.

    Args:
        attributes: names of the attributes to keep, in this order; all 40 if None.
        crop: side of the centre crop: 178, 140 and 108 are common; "ddim" for 128 pixels around (89, 121), as in the
            authors' code of DDIM; or see `Preparation`.
        settings: those of `PreparedData`.

    Raises:
        UserError: an argument is out of range.
    """

    name = "celeba"
    named_by_its_source = True

    def __init__(
        self, attributes: Sequence[str] | None = None, *, crop: Crop | Literal["ddim"] = 178, **settings: Any
    ) -> None:
        super().__init__(crop=_DDIM if crop == "ddim" else crop, **settings)
        if attributes is not None and not attributes:
            raise UserError("data.attributes names no attribute: leave it null for all 40")
        self.attributes = attributes

    @property
    def labels(self) -> Attributes:
        """The requested attributes, or all of the annotations."""
        if self.attributes is not None:
            return Attributes(self.attributes)
        facts = self.locate("train").facts
        return Attributes(facts["attributes"])

    @property
    def splits(self) -> tuple[Split, ...]:
        """The official ones."""
        return ("train", "val", "test")

    def phrases(self, labels: Tensor) -> list[str]:
        """Return faces in words, such as "a smiling woman with black hair", of stored attributes (N, K)."""
        names = self.labels.names
        found = {}
        for row in (rows := [tuple(row) for row in labels.tolist()]):
            if row not in found:
                found[row] = describe_face({name for name, there in zip(names, row, strict=True) if there}, names)
        return [found[row] for row in rows]

    def every_phrase(self) -> list[str]:
        """Return faces whose phrases hold every word of any, one as long as any among them."""
        return every_phrase(self.labels.names)

    def load(self, split: Split) -> SampleStore:
        """Return the images of a split with the requested attributes."""
        images, attributes = self.open(split)
        assert attributes is not None
        names = images.manifest["attributes"]
        self._check_attributes(names)
        if self.attributes is not None:
            attributes = attributes[:, [names.index(name) for name in self.attributes]]
        return SampleStore(images, attributes.float())

    def records(self, part: str) -> Records:
        """Find the images of an official split, each with its row of attributes.

        Raises:
            MissingDataError: a file is missing.
            UserError: images and annotations do not name the same files, or a requested attribute does not exist.
        """
        splits = _read_partition(self._annotation("list_eval_partition.txt"))
        names, attributes = _read_attributes(self._annotation("list_attr_celeba.txt"))
        # Before any image is decoded.
        self._check_attributes(names)
        source, prefix = self._images()
        images = {Path(key).name for key in source.list_keys()}
        _compare(images, set(splits), source.path, "list_eval_partition.txt")
        _compare(images, set(attributes), source.path, "list_attr_celeba.txt")
        chosen = sorted(name for name, split in splits.items() if split == _SPLITS[part])
        rows = np.array([attributes[name] for name in chosen], dtype=np.uint8).reshape(-1, len(names))
        return Records(source.only([prefix + name for name in chosen]), rows, {"attributes": names})

    def _check_attributes(self, names: Sequence[str]) -> None:
        for name in self.attributes or ():
            if name not in names:
                raise UserError(f"data.attributes: CelebA has no {name!r}{near(name, names)}")

    def _annotation(self, name: str) -> Path:
        for folder in (self.root, self.root / "celeba"):
            if (folder / name).is_file():
                return folder / name
        raise MissingDataError(self._what_to_fetch(name))

    def _images(self) -> tuple[FolderSource | ZipSource, str]:
        """Return all images and the prefix of their names."""
        for folder in (self.root, self.root / "celeba"):
            for inner in (folder / "img_align_celeba" / "img_align_celeba", folder / "img_align_celeba"):
                names = sorted(path.name for path in inner.glob("*.jpg")) if inner.is_dir() else []
                if names:
                    return FolderSource(inner, names), ""
            path = folder / "img_align_celeba.zip"
            if path.is_file():
                source = ZipSource(path)
                members = [key for key in source.list_keys() if key.endswith(".jpg") and "__MACOSX" not in key]
                if not members:
                    raise UserError(f"{path} holds no .jpg: fetch it again")
                prefix = members[0][: len(members[0]) - len(Path(members[0]).name)]
                return source.only(members), prefix
        raise MissingDataError(self._what_to_fetch("img_align_celeba.zip"))

    def _what_to_fetch(self, missing: str) -> str:
        files = "; ".join(f"{name} ({size:,} bytes, MD5 {md5})" for name, (size, md5) in _FILES.items())
        return (
            f"{missing} is not under data.root={self.root}: CelebA's licence asks each user to fetch it from its "
            f"authors (mmlab.ie.cuhk.edu.hk/projects/CelebA.html); put there {files}"
        )


def _read_partition(path: Path) -> dict[str, int]:
    """Return the split of each image, 0, 1 or 2: each line has a name and a number."""
    splits = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fields = line.split()
        if len(fields) != 2 or fields[1] not in ("0", "1", "2"):
            raise UserError(f"{path}, line {number}: {line[:60]!r} is not an image with its split, 0, 1 or 2")
        splits[fields[0]] = int(fields[1])
    return splits


def _read_attributes(path: Path) -> tuple[list[str], dict[str, list[int]]]:
    """Return the attributes' names and each image's row of 0 and 1: a count, the names, then rows of -1 and 1."""
    lines = path.read_text().splitlines()
    if len(lines) < 2 or not lines[0].strip().isdigit():
        raise UserError(f"{path} does not begin with a count and the attributes' names: fetch it again")
    names, rows = lines[1].split(), {}
    for number, line in enumerate(lines[2:], 3):
        name, *values = line.split() or [""]
        if len(values) != len(names) or not set(values) <= {"-1", "1"}:
            raise UserError(
                f"{path}, line {number}: {line[:60]!r} is not an image with {len(names)} attributes of -1 or 1"
            )
        rows[name] = [int(value == "1") for value in values]
    if len(rows) != int(lines[0]):
        raise UserError(f"{path} says that it has {int(lines[0]):,} rows and has {len(rows):,}: fetch it again")
    return names, rows


def _compare(images: set[str], rows: set[str], where: Path, annotation: str) -> None:
    if without_row := sorted(images - rows):
        raise UserError(
            f"{annotation} has no row for {without_row[0]}, one of {len(without_row):,} images of {where} without: "
            "fetch both again"
        )
    if without_image := sorted(rows - images):
        raise UserError(
            f"{annotation} names {without_image[0]}, one of {len(without_image):,} that {where} lacks: the copy of the "
            "images is not complete"
        )
