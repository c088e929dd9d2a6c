"""Any folder of images, with or without classes: anime faces, FFHQ, a peer's samples.

Example:
    python -m genbench prepare data=image_folder data.root=~/anime_faces data.size=64 data.name=anime_faces
"""

import re
from collections.abc import Callable
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from genbench.conditions.classes import Classes
from genbench.data.base import Split
from genbench.data.description import shortened
from genbench.data.folders import (
    IMAGE_ENDINGS,
    list_folders,
    list_images,
    natural_order,
    one_folder_each,
    split_folders,
)
from genbench.data.holding_out import check_test_every
from genbench.data.prepare_progress import say
from genbench.data.prepared import MissingDataError, PreparedData, Records
from genbench.data.sources import FolderSource
from genbench.data.store import SampleStore
from genbench.errors import UserError


class ImageFolder(PreparedData):
    """The images under a folder; subfolders are the classes (B,), numbered in natural order (2 before 10).

    Subfolders `train`, `val` and `test`, or common variants (`valid`, `Test`, `eval`, ...), are the splits; `val` is
    the test split if there is no `test`. If there is neither, every `test_every`-th image of each class is held out.

    Args:
        name: of the data set in scores and stores: letters, digits, _ and -.
        classes: whether the subfolders are classes; if not, the images of all subfolders are pooled.
        test_every: every so many-th image of a class is held out if there is no folder of test images; 0 for none.
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
        check_test_every(test_every)
        self.name = name
        self.classes = classes
        self.test_every = test_every
        self._recalled: list[str] | None = None
        self._order: Callable[[str], Any] = natural_order

    @property
    def labels(self) -> Classes | None:
        """The classes, if there are any."""
        names = self.class_names
        return None if names is None else Classes(names)

    @property
    def class_names(self) -> list[str] | None:
        """The names of the subfolders, by class number; None without classes."""
        if self._recalled is not None:
            return self._recalled
        try:
            return self._class_names or None
        except MissingDataError:
            return list(self.locate("train").facts["classes"]) or None

    def number_as(self, described: dict[str, Any]) -> None:
        """Number the classes as in a run: earlier versions did not record class names and sorted 10 before 2."""
        names = described.get("classes")
        if "sha256" not in described or (isinstance(names, list) and names == sorted(map(str, names))):
            self._order = str

    def recall(self, described: dict[str, Any]) -> None:
        """Use the classes that a run was trained on."""
        self.number_as(described)
        names = described.get("classes")
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            self._recalled = names

    def undivided(self) -> str:
        """Use all images of the folder as "train", unless it has a folder of test images."""
        if self._has_test_folder:
            return super().undivided()
        self.test_every = 0
        return "all images of the folder, which has no folder of test images"

    def load(self, split: Split) -> SampleStore:
        """Return the images of a split with their classes."""
        images, conditions = self.open(split)
        return SampleStore(images, None if conditions is None else conditions.long())

    def records(self, part: str) -> Records:
        """Find the images of a split.

        Raises:
            MissingDataError: the folder does not exist or has no image.
            UserError: there are images outside the folders of classes or splits.
        """
        names = self._names_of(part)
        if not names:
            raise MissingDataError(f"{self.root} has no {part} image")
        rows = None
        if self._recalled is not None and self._recalled != self._class_names:
            raise UserError(
                f"data.root={self.root} has the classes {shortened(self._class_names)}, and the run was trained on "
                f"{shortened(self._recalled)}: give the folder that it was trained on"
            )
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
            say(f"{self.root}: {others:,} files that are not images are ignored")
        empty = sorted(set(list_folders(self.root)) - {PurePosixPath(name).parts[0] for name in images} - {"__MACOSX"})
        if empty:
            say(f"{self.root}: these folders contain no images: {shortened(empty)}")
        return images

    def where(self, part: str) -> str | None:
        """Return the folder of a split, or how it was held out."""
        try:
            folder, divided = self._split_folders.get(part), self._has_test_folder
        except MissingDataError:
            return None
        if part == "test" and not divided:
            return f"one in {self.test_every}{' of each class' if self._class_names else ''}, held out"
        return f"{folder}/" if folder else None

    def _names_of(self, part: str) -> list[str]:
        if self._has_test_folder:
            folder = self._split_folders.get(part)
            return [name for name in self._files if PurePosixPath(name).parts[0] == folder]
        groups: dict[str | None, list[str]] = {}
        for name in self._files:
            groups.setdefault(self._class_of(name), []).append(name)
        step = self.test_every or len(self._files) + 1
        held_out = {name for group in groups.values() for name in group[step - 1 :: step]}
        return [name for name in self._files if part != "val" and (name in held_out) == (part == "test")]

    @property
    def _has_test_folder(self) -> bool:
        return "test" in self._split_folders

    @cached_property
    def _split_folders(self) -> dict[str, str]:
        """The folder of each split, if the root consists of such folders."""
        paths = [PurePosixPath(name).parts for name in self._files]
        top = {parts[0] for parts in paths}
        found = split_folders({parts[0] for parts in paths if len(parts) > 1})
        others = sorted(top - {name for names in found.values() for name in names})
        if not found or (others and not self._are_splits(found, paths)):
            self._refuse_splits_below(paths)
            return {}
        if others:
            raise UserError(
                f"{self.root} has folders of splits ({_names(found)}) and also {others[0]}: remove it, or give "
                "one of the folders as data.root"
            )
        if "train" not in found:
            raise UserError(
                f"{self.root} has folders of splits ({_names(found)}) but none called train: add it, or give one of "
                "the folders as data.root"
            )
        return one_folder_each(self.root, top)

    def _are_splits(self, found: dict[str, list[str]], paths: list[tuple[str, ...]]) -> bool:
        """Return whether folders with names of splits are splits although there are others: train may be a class."""
        if len(found) > 1:
            return True
        ((name,), *_) = found.values()
        # A class contains images directly; a split of a folder with classes contains folders.
        return all(len(parts) > 2 for parts in paths if parts[0] == name)

    def _refuse_splits_below(self, paths: list[tuple[str, ...]]) -> None:
        """Refuse folders that contain splits: they would become classes, and test images would be trained on."""
        below = {parts[1] for parts in paths if len(parts) > 2}
        found = split_folders(below)
        if len(found) < 2 or sum(map(len, found.values())) != len(below):
            return
        top = sorted({parts[0] for parts in paths})
        remedy = f"give data.root={self.root / top[0]}" if len(top) == 1 else "put the folders of splits at the top"
        raise UserError(f"{self.root} has folders of splits ({_names(found)}) within {shortened(top)}: {remedy}")

    @cached_property
    def _class_names(self) -> list[str]:
        """The classes in order; none if the images are directly in the folder."""
        if not self.classes:
            return []
        classes = {self._class_of(name) for name in self._files}
        if None not in classes:
            return sorted((name for name in classes if name is not None), key=self._order)
        if len(classes) == 1:
            return []
        alone = next(name for name in self._files if self._class_of(name) is None)
        raise UserError(
            f"{self.root} has class folders and also images outside them such as {alone}: "
            "move these, or set data.classes=false"
        )

    def _class_of(self, name: str) -> str | None:
        parts = PurePosixPath(name).parts[1 if self._split_folders else 0 :]
        return parts[0] if self.classes and len(parts) > 1 else None

    def _identity(self, part: str) -> dict[str, Any]:
        return {**super()._identity(part), "class_folders": self.classes, "test_every": self.test_every}


def _names(found: dict[str, list[str]]) -> str:
    return ", ".join(sorted(name for names in found.values() for name in names))
