"""LSUN as it is distributed (Yu et al. 2015, https://arxiv.org/abs/1506.03365): LMDBs of JPEG or WebP images.

Bedrooms are 3,033,042 training and 300 validation images with a short side of 256 pixels.

Example:
    python -m genbench prepare data=lsun_bedroom data.root=~/lsun data.size=64
"""

from pathlib import Path
from typing import Any

from genbench.data.lsun_archives import ARCHIVES
from genbench.data.preparation import Crop
from genbench.data.prepared import MissingDataError, PreparedData, Records
from genbench.data.shuffling import Shuffle
from genbench.data.sources import LMDBSource, Origin, ZippedLMDB


class LSUN(PreparedData):
    """The images of a category, without conditions.

    `root` holds the folders `<category>_train_lmdb` and `<category>_val_lmdb`, or their zips; object categories,
    which have no validation images, have `<category>` or its zip. The validation images are the test split.

    Args:
        category: such as "bedroom", "church_outdoor" or "cat".
        crop: see `Preparation`.
        shuffle: see `shuffling`.
        settings: those of `PreparedData`.

    Raises:
        UserError: an argument is out of range.
    """

    named_by_its_source = True

    def __init__(
        self,
        category: str = "bedroom",
        *,
        crop: Crop = "resize_then_crop",
        shuffle: Shuffle = "blocks",
        **settings: Any,
    ) -> None:
        super().__init__(crop=crop, shuffle=shuffle, **settings)
        self.category = category
        self.name = f"lsun_{category}"

    def records(self, part: str) -> Records:
        """Find a split's LMDB, or its zip; there are "train" and "test".

        Raises:
            MissingDataError: neither is there.
            UserError: it is damaged.
        """
        if part == "val" or (found := self._find_files(part)) is None:
            raise MissingDataError(self._what_to_fetch(part))
        origin: Origin = ZippedLMDB(found) if found.suffix == ".zip" else LMDBSource(found)
        return Records(origin)

    def _names(self, part: str) -> tuple[str, ...]:
        if part == "train":
            return f"{self.category}_train_lmdb", self.category
        return (f"{self.category}_val_lmdb",)

    def _find_files(self, part: str) -> Path | None:
        for name in self._names(part):
            for folder in (self.root, self.root / "lsun"):
                if (folder / name / "data.mdb").is_file():
                    return folder / name
                if (folder / f"{name}.zip").is_file():
                    return folder / f"{name}.zip"
        return None

    def _what_to_fetch(self, part: str) -> str:
        names = [f"{name}.zip" for name in self._names(part) if f"{name}.zip" in ARCHIVES]
        if not names:
            scenes = sorted({name.rpartition("_train")[0] for name in ARCHIVES if "_train" in name})
            return (
                f"data.root={self.root} has no folder {' or '.join(self._names(part))} with a data.mdb; "
                f"LSUN's scenes are {', '.join(scenes)}"
            )
        size, sha256 = ARCHIVES[names[0]]
        return (
            f"LSUN is not under data.root={self.root}: fetch {names[0]} ({size:,} bytes, SHA-256 {sha256}) as "
            f"github.com/fyu/lsun says, and put it there, or unzipped as {self._names(part)[0]}/data.mdb"
        )
