"""Any folder of images, with or without classes: anime faces, FFHQ, a peer's samples.

Example:
    python -m genbench prepare data=image_folder data.root=~/anime_faces data.size=64 data.name=anime_faces
"""

import re
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from genbench.data.base import Split
from genbench.data.folders import IMAGE_ENDINGS, list_images
from genbench.data.prepare import say
from genbench.data.prepared import MissingDataError, PreparedData, Records
from genbench.data.sources import FolderSource
from genbench.data.store import ImageStore
from genbench.errors import UserError


class ImageFolder(PreparedData):
    """The images under a folder; if they lie in subfolders, these are the classes (B,).

    Where `root` has subfolders `train` and `test` (or `val`), these are the splits. Otherwise every `test_every`-th
    image of each class is a test image.

    Args:
        name: what the data set is called in scores and stores: letters, digits, _ and -.
        classes: whether the subfolders are classes; if not, images of all subfolders are taken together.
        test_every: which images to hold out for testing where the folder itself has no such split; 0 holds out none.
        settings: those of `PreparedData`.

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(
        self, name: str = "image_folder", *, classes: bool = True, test_every: int = 10, **settings: Any
    ) -> None:
        super().__init__(**settings)
        if not re.fullmatch(r"[\w-]+", name):
            raise UserError(f"data.name may hold letters, digits, _ and -, not {name!r}")
        if test_every < 0 or test_every == 1:
            raise UserError(f"data.test_every must be 0 or at least 2, not {test_every}")
        self.name = name
        self.classes = classes
        self.test_every = test_every

    @property
    def num_classes(self) -> int | None:  # type: ignore[override]
        """How many classes there are, or None."""
        try:
            return len(self._class_names) or None
        except MissingDataError:
            return len(self.manifest("train")["classes"]) or None

    def load(self, split: Split) -> ImageStore:
        """Return the images of a split with their classes."""
        images, conditions = self.open(split)
        return ImageStore(images, None if conditions is None else conditions.long())

    def records(self, part: str) -> Records:
        """Find the images of a split.

        Raises:
            MissingDataError: the folder is not there or holds no image.
            UserError: images lie beside the folders of classes or splits.
        """
        names = self._names_of(part)
        if not names:
            raise MissingDataError(f"{self.root} has no {part} image")
        rows = None
        if self._class_names:
            number = {name: index for index, name in enumerate(self._class_names)}
            rows = np.array([number[self._class_of(name) or ""] for name in names], dtype=np.int64)
        return Records(FolderSource(self.root, names), rows, {"classes": self._class_names})

    @cached_property
    def _files(self) -> list[str]:
        """All images, by their paths within the root."""
        images, others = list_images(self.root)
        if not images:
            raise MissingDataError(
                f"data.root={self.root} holds no image ({', '.join(sorted(IMAGE_ENDINGS))}): "
                "give the folder of the images"
            )
        if others:
            say(f"{self.root}: {others:,} files that are no images are left alone")
        return images

    def _names_of(self, part: str) -> list[str]:
        if self._split_folders:
            folder = self._split_folders.get(part)
            return [name for name in self._files if PurePosixPath(name).parts[0] == folder]
        groups: dict[str | None, list[str]] = {}
        for name in self._files:
            groups.setdefault(self._class_of(name), []).append(name)
        step = self.test_every or len(self._files) + 1
        held_out = {name for group in groups.values() for name in group[step - 1 :: step]}
        return [name for name in self._files if part != "val" and (name in held_out) == (part == "test")]

    @cached_property
    def _split_folders(self) -> dict[str, str]:
        """Each split's folder, where the root consists of such folders."""
        folders = {PurePosixPath(name).parts[0] for name in self._files}
        if "train" not in folders or not {"val", "test"} & folders:
            return {}
        if strange := sorted(folders - {"train", "val", "test"}):
            raise UserError(f"{self.root} has folders of splits and beside them {strange[0]}: take it away")
        return {name: name for name in folders} if "test" in folders else {"train": "train", "test": "val"}

    @cached_property
    def _class_names(self) -> list[str]:
        """The classes in their order; none if the images lie in the folder itself."""
        if not self.classes:
            return []
        classes = {self._class_of(name) for name in self._files}
        if None not in classes:
            return sorted(name for name in classes if name is not None)
        if len(classes) == 1:
            return []
        alone = next(name for name in self._files if self._class_of(name) is None)
        raise UserError(
            f"{self.root} has class folders and beside them images such as {alone}: "
            "move these, or set data.classes=false"
        )

    def _class_of(self, name: str) -> str | None:
        parts = PurePosixPath(name).parts[1 if self._split_folders else 0 :]
        return parts[0] if self.classes and len(parts) > 1 else None

    def _identity(self, part: str) -> dict[str, Any]:
        return {**super()._identity(part), "class_folders": self.classes, "test_every": self.test_every}
