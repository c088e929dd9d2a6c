"""Read published files without running anything that they hold."""

import pickle
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from genbench.errors import UserError, first_line
from genbench.files import parse_json
from genbench.published.pickles import is_legacy, plain, read_legacy, read_pickle, read_zip

_SEEMS = {
    b"version https://git-lfs": "a pointer of Git LFS, and not the file itself: fetch it by `git lfs pull`",
    b"<!DOCTYPE": "a web page: the download gave an error, a form or a warning instead of the file",
    b"<?xml": "XML: the download gave an error instead of the file",
    b"{": "text in JSON: the weights are another file, or the download gave an error instead",
    b"<html": "a web page: the download gave an error, a form or a warning instead of the file",
    b"\x89HDF": "an HDF5 file, as of Keras: convert it to a state dictionary of PyTorch first",
    b"\x1f\x8b": "compressed by gzip: unpack it first",
    b"Rar!": "a RAR archive: unpack it first",
    b"7z\xbc\xaf": "a 7z archive: unpack it first",
    b"\x93NUMPY": "a NumPy array",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}
"""What a file seems to be that can't be read, by its first bytes."""

_INNER = ("_parameters", "_buffers", "_modules")
"""Levels of a pickled module that its tensors' names leave out."""


def read(path: Path) -> Any:
    """Return what a file holds: tensors and plain values, in dictionaries and lists as they were saved.

    It may be a file of safetensors, of `torch.save` (old and new), a TorchScript archive or a plain pickle such as
    NVIDIA's. Objects of other packages become dictionaries of their attributes.

    Raises:
        UserError: it can't be read, or holds something that would be run.
    """
    try:
        return _reader(path)(path)
    except UserError:
        raise
    # A damaged or hostile file may lead to anything; MemoryError and RecursionError are among these.
    except Exception as error:
        raise UserError(f"{path} can't be read: {_why(error)}") from error


def read_newest(path: Path, names: str) -> dict[str, Any]:
    """Return what the newest file of each network in a folder holds, by the files' names.

    Args:
        path: the folder.
        names: regular expression for a file's name without the suffix; its group "network" is which network it is, and
            a group "epoch" is "latest" or a number, of which the newest is taken.

    Raises:
        UserError: the folder has no such file, or one can't be read.
    """
    newest: dict[str, tuple[float, Path]] = {}
    for file in sorted(path.glob("*.pth")):
        if match := re.fullmatch(names, file.stem):
            epoch = match.groupdict().get("epoch")
            age = float(epoch) if epoch and epoch.isdigit() else float("inf")
            newest[match["network"]] = max(newest.get(match["network"], (-1.0, file)), (age, file))
    if not newest:
        raise UserError(f"{path} has no .pth file of a network of this kind")
    return {file.stem: read(file) for _, file in newest.values()}


def read_settings(file: Path) -> dict[str, Any]:
    """Return the names and values of a JSON file that says a model's settings.

    Raises:
        UserError: it can't be read, or holds something else.
    """
    try:
        content = parse_json(file.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{file} can't be read: {first_line(error)}") from error
    if not isinstance(content, dict):
        raise UserError(f"{file} is not a configuration: it holds no names and values")
    return content


def tensors_of(content: Any) -> dict[str, Tensor]:
    """Return all tensors of what `read` returned, under their names joined by dots, as a state dictionary has them."""
    return dict(_named_tensors(content, ""))


def _named_tensors(content: Any, prefix: str) -> Iterator[tuple[str, Tensor]]:
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        name = prefix.removesuffix(".") if key in _INNER else f"{prefix}{key}"
        if isinstance(value, Tensor):
            yield name, value
        else:
            yield from _named_tensors(value, f"{name}." if name else "")


def _reader(path: Path) -> Callable[[Path], Any]:
    if not path.is_file():
        what = "a folder, and this is read from a file" if path.is_dir() else "not there"
        raise UserError(f"path={path} is {what}")
    with path.open("rb") as file:
        first = file.read(64)
    if first.startswith(b"PK"):
        return _read_archive
    if first[8:9] == b"{":
        return load_file
    if first[:1] == b"\x80":
        return read_legacy if is_legacy(path) else read_pickle
    for start, what in _SEEMS.items():
        if first.lstrip().lower().startswith(start.lower()):
            raise UserError(f"{path} is {what}")
    empty = "it is empty" if not first else "it is no file of PyTorch, of safetensors or a pickle"
    raise UserError(f"{path} can't be read: {empty}")


def _read_archive(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"the checksum of its part {damaged} is wrong: download it again")
    if not any(name.endswith("/data.pkl") for name in names):
        inside = ", ".join(names[:3])
        raise ValueError(f"it is a zip archive of something else ({inside}): unpack it first, if the weights are in it")
    if not any(name.endswith("/constants.pkl") for name in names):
        try:
            return plain(torch.load(path, map_location="cpu", weights_only=True))
        except pickle.UnpicklingError:
            # It names classes of other packages, for which torch has no stand-ins.
            pass
    return read_zip(path)


def _why(error: Exception) -> str:
    if isinstance(error, zipfile.BadZipFile | EOFError):
        return "it is cut short or damaged: download it again"
    if isinstance(error, SafetensorError):
        return f"{first_line(error)}: it is cut short or damaged: download it again"
    return first_line(error) or type(error).__name__
