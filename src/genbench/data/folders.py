"""Contents of a folder: which files are images, which subfolders are splits, and the order of names."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from genbench.errors import UserError

IMAGE_ENDINGS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})

_SPLITS: dict[str, Literal["train", "val", "test"]] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validate", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_CLASS_DEPTH = 2
"""Greatest depth of a class folder: within the folder of its split."""


def list_images(folder: Path) -> tuple[list[str], int]:
    """Return the paths of all images under a folder, sorted, and how many other files there are.

    Links are followed, except those to a folder that contains them. A folder to which two classes, or two splits, link
    belongs to both; within one class it counts once. Hidden files and folders, such as those of macOS, are ignored.

    Raises:
        UserError: a folder can't be read.
    """
    images: list[str] = []
    others = 0
    visited: dict[tuple[str, ...], set[str]] = {}
    # Depth first and sorted, so that the result does not depend on the file system's order.
    waiting: list[tuple[tuple[str, ...], frozenset[str]]] = [((), frozenset())]
    while waiting:
        parts, above = waiting.pop()
        place = folder.joinpath(*parts)
        real = os.path.realpath(place)
        seen = visited.setdefault(parts[:_CLASS_DEPTH], set())
        if real in above or real in seen:
            continue
        seen.add(real)
        files, folders = _entries(place)
        waiting += [((*parts, name), above | {real}) for name in reversed(folders) if name != "__MACOSX"]
        chosen = [name for name in files if Path(name).suffix.lower() in IMAGE_ENDINGS]
        images += ["/".join((*parts, name)) for name in chosen]
        others += len(files) - len(chosen)
    return sorted(images), others


def list_folders(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted; none if it does not exist.

    Raises:
        UserError: it can't be read.
    """
    return _entries(folder)[1]


def split_folders(names: Iterable[str]) -> dict[str, list[str]]:
    """Return which folders are "train", "val" and "test" by their names, case-insensitively, such as Train or valid.

    Returns:
        The folders of each split, of which there should be one.
    """
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        if (split := _SPLITS.get(name.lower())) is not None:
            found.setdefault(split, []).append(name)
    return found


def one_folder_each(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the folder of each split, see `split_folders`; the validation images are the test split if there is none.

    Raises:
        UserError: two folders name the same split.
    """
    found = split_folders(names)
    for split, folders in found.items():
        if len(folders) > 1:
            raise UserError(f"{root} has {' and '.join(folders)}, which both name the {split} split: keep one")
    single = {split: folders[0] for split, folders in found.items()}
    if "val" in single and "test" not in single:
        single["test"] = single.pop("val")
    return single


def natural_order(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Return a key for natural sorting: 1, 2, 10; class2, class10."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(piece), "") if piece[0] in "0123456789" else (1, 0, piece) for piece in pieces], name


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of a folder's files, and of its folders, sorted and without hidden ones.

    Raises:
        UserError: it can't be read, or contains a broken link.
    """
    try:
        with os.scandir(folder) as found:
            entries = sorted((entry.name, _is_folder(entry)) for entry in found if not entry.name.startswith("."))
    except FileNotFoundError:
        return [], []
    except NotADirectoryError:
        raise UserError(f"{folder} is a file, not a folder of images") from None
    except OSError as error:
        raise UserError(f"{folder} can't be read: {error.strerror}") from error
    for name, is_folder in entries:
        # Ignoring it would silently drop what may be a class.
        if not is_folder and Path(name).suffix == "" and _leads_nowhere(folder / name):
            raise UserError(f"{folder / name} is a broken link: repair or remove it")
    return [name for name, is_folder in entries if not is_folder], [name for name, is_folder in entries if is_folder]


def _leads_nowhere(path: Path) -> bool:
    """Whether a link names what isn't there; one that leads to itself is something else."""
    try:
        path.stat()
    except FileNotFoundError:
        return path.is_symlink()
    except OSError:
        return False
    return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link to itself.
        return False
