"""Find out what published a file, and turn it into GenBench's words."""

import hashlib
from pathlib import Path
from typing import Any

from genbench.errors import UserError, first_line
from genbench.published import sources
from genbench.published.reading import read, tensors_of
from genbench.published.source import Archive, Published, Source
from genbench.wording import counted

_SHOWN = 3
"""Tensors of an unknown file, or files of an unknown folder, that a message names."""
_OF_WEIGHTS = {".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".json"}


def find_source(name: str | None, path: Path) -> tuple[str, Published]:
    """Return the source of a published file, and what the file holds.

    Args:
        name: of the source; None to find it by the tensors.
        path: of a file, or of a folder that holds it.

    Raises:
        UserError: there is no such source, or the file is damaged, hostile or of another kind.
    """
    if name is not None:
        source = sources.make(name)
        archive = source.read(path)
        if _recognises(source, archive):
            return name, _converted(name, source, archive)
        others = [other for other, _, _ in _recognising(path, {})]
        seems = f"it seems to be of source={others[0]}" if others else _contents(archive)
        raise UserError(f"path={path} is not of source={name} ({source.title}): {seems}{_known(others)}")
    errors: dict[str, UserError] = {}
    found = _recognising(path, errors)
    if len(found) == 1:
        other, source, archive = found[0]
        return other, _converted(other, source, archive)
    if found:
        choices = " or ".join(f"source={other}" for other, _, _ in found)
        raise UserError(f"path={path} may be of several kinds: choose {choices}")
    if path.is_dir():
        raise UserError(f"path={path} is a folder that no source knows{_inside(path, errors)}")
    # Whatever reads it says best what is wrong.
    raise UserError(f"path={path} is of no kind that is known: {_contents(Archive(path, read(path)))}{_known([])}")


def hashes(path: Path) -> dict[str, str]:
    """Return the SHA-256 of a file, or of all files in a folder, by their names."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    found = {}
    for file in files:
        with file.open("rb") as content:
            name = str(file.relative_to(path)) if path.is_dir() else file.name
            found[name] = hashlib.file_digest(content, "sha256").hexdigest()
    return found


def _recognises(source: Source, archive: Archive) -> bool:
    try:
        return source.recognises(archive)
    # What a source expects of a file, another one's need not have: a name may be a number.
    except Exception:
        return False


def _converted(name: str, source: Source, archive: Archive) -> Published:
    """Return a file in GenBench's words.

    Raises:
        UserError: it is damaged, or has no counterpart here.
    """
    try:
        return source.convert(archive)
    except UserError:
        raise
    # A damaged or hostile file may lead to anything.
    except Exception as error:
        said = f"{type(error).__name__}: {first_line(error)}"
        raise UserError(f"path={archive.path} is damaged, or not quite of source={name}: {said}") from error


def _recognising(path: Path, errors: dict[str, UserError]) -> list[tuple[str, Source, Archive]]:
    """Return the sources that recognise a file, which is read once by each way of reading it.

    Args:
        path: of a file or folder.
        errors: to which those of the sources that can't read it are added.
    """
    archives: dict[Any, Archive | None] = {}
    found = []
    for name in sources.names():
        source = sources.make(name)
        way = type(source).read, source.files if path.is_dir() else None
        if way not in archives:
            try:
                archives[way] = source.read(path)
            except UserError as error:
                archives[way], errors[name] = None, error
        archive = archives[way]
        if archive is not None and _recognises(source, archive):
            found.append((name, source, archive))
    return found


def _contents(archive: Archive) -> str:
    tensors = tensors_of(archive.content)
    if not tensors:
        return "it holds no tensors"
    first = ", ".join(f"{name} {tuple(value.shape)}" for name, value in list(tensors.items())[:_SHOWN])
    return f"it holds {counted(len(tensors), 'tensor')}, the first {first}"


def _inside(folder: Path, errors: dict[str, UserError]) -> str:
    """Return what is to be said of a folder that no source can read."""
    inside = sorted(folder.iterdir())
    if any(entry.suffix in _OF_WEIGHTS for entry in inside):
        return ". " + "; ".join(f"source={name}: {error}" for name, error in errors.items())
    # What each of twenty sources misses in a folder of pictures is of no help.
    held = ", ".join(entry.name for entry in inside[:_SHOWN]) + (", ..." if len(inside) > _SHOWN else "") or "nothing"
    return f": it holds {held}. Say source=SOURCE to be told what it lacks: {', '.join(sources.names())}"


def _known(found: list[str]) -> str:
    return (
        ""
        if found
        else "; the sources are " + "; ".join(f"{name} ({sources.make(name).title})" for name in sources.names())
    )
