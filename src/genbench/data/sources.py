"""Where encoded images come from: files in a folder, members of a zip, records of an LMDB.

Each process that reads a source opens it itself; only its path and the keys are sent between processes.
"""

import weakref
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lmdb

from genbench.data.contents import digest, hash_files
from genbench.errors import UserError
from genbench.files import leads_out

CONTENT_HASH = "content_sha256"
"""Key of a folder's hash in its fingerprint; in stores of earlier versions `sha256` is a hash of time stamps."""


class Origin(ABC):
    """A folder or a file with encoded images.

    Attributes:
        path: the folder or file.
        packed_bytes: bytes that `unpack` will write.
    """

    path: Path
    packed_bytes: int = 0

    @abstractmethod
    def fingerprint(self, cache: Path | None = None) -> dict[str, Any]:
        """Return facts that identify the content, independent of its path and time stamps.

        Args:
            cache: folder of cached slow results; None for no cache.
        """

    @abstractmethod
    def unpack(self, folder: Path) -> "Source":
        """Return the source, unpacked into `folder` if it can't be read in place."""


class Source(Origin):
    """Encoded images by key, in a fixed order, read in place."""

    @abstractmethod
    def __len__(self) -> int:
        """Return how many records there are."""

    @abstractmethod
    def list_keys(self) -> Iterator[str]:
        """Yield the records' keys in order."""

    @abstractmethod
    def read(self, key: str) -> bytes:
        """Return a record's bytes.

        Raises:
            Exception: it can't be read.
        """

    def unpack(self, folder: Path) -> "Source":
        """Return itself."""
        return self


class FolderSource(Source):
    """Image files under a folder.

    Args:
        path: the folder.
        names: the files' paths within it, in their order.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path = path
        self._names = names

    def __len__(self) -> int:
        """Return how many files there are."""
        return len(self._names)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the names, which only the first process needs."""
        return FolderSource, (self.path, ())

    def only(self, names: Sequence[str]) -> "FolderSource":
        """Return some of the files, in the order given."""
        return FolderSource(self.path, names)

    def list_keys(self) -> Iterator[str]:
        """Yield the files' paths within the folder."""
        return iter(self._names)

    def read(self, key: str) -> bytes:
        """Return a file's bytes."""
        return (self.path / key).read_bytes()

    def fingerprint(self, cache: Path | None = None) -> dict[str, Any]:
        """Hash names and contents, see `hash_files`."""
        return {"kind": "folder", "records": len(self), CONTENT_HASH: hash_files(self.path, self._names, cache)}


class ZipSource(Source):
    """Members of a zip, read in place.

    Args:
        path: the zip.
        names: the members to read, in their order; all if None.

    Raises:
        UserError: it is not a zip, or is truncated.
    """

    def __init__(self, path: Path, names: Sequence[str] | None = None) -> None:
        self.path = path
        self._zip = open_zip(path)
        self._names = self._zip.namelist() if names is None else names

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the path only; each process opens the file itself."""
        return ZipSource, (self.path, ())

    def only(self, names: Sequence[str]) -> "ZipSource":
        """Return some of the members, in the order given."""
        return ZipSource(self.path, names)

    def __len__(self) -> int:
        """Return how many members are read."""
        return len(self._names)

    def list_keys(self) -> Iterator[str]:
        """Yield the members' names."""
        return iter(self._names)

    def read(self, key: str) -> bytes:
        """Return a member's bytes, checked against the zip's CRC."""
        return self._zip.read(key)

    def fingerprint(self, cache: Path | None = None) -> dict[str, Any]:
        """Hash the zip's directory: names, sizes and CRCs of the members."""
        infos = (self._zip.getinfo(name) for name in self._names)
        sha256 = digest([info.filename, info.file_size, info.CRC] for info in infos)
        return {"kind": "zip", "records": len(self), "sha256": sha256}


class LMDBSource(Source):
    """Values of an LMDB, as LSUN is distributed.

    Each process opens its own environment, so nothing is shared over a fork, and no lock file is written.

    Args:
        path: the folder with `data.mdb`.

    Raises:
        UserError: it is not an LMDB, or is truncated.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._environment = _open_lmdb(path)
        self._stat, self._info = self._environment.stat(), self._environment.info()
        size = (path / "data.mdb").stat().st_size
        # Reading beyond the end of the file would kill the process.
        if size < (whole := (self._info["last_pgno"] + 1) * self._stat["psize"]):
            raise UserError(f"{path / 'data.mdb'} has {size:,} bytes of {whole:,}: it is cut short, copy it again")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the path only."""
        return LMDBSource, (self.path,)

    def __len__(self) -> int:
        """Return how many records the LMDB counts."""
        return int(self._stat["entries"])

    def list_keys(self) -> Iterator[str]:
        """Yield the keys in LMDB's order."""
        with self._environment.begin() as transaction:
            for key in transaction.cursor().iternext(keys=True, values=False):
                yield key.decode("latin-1")

    def read(self, key: str) -> bytes:
        """Return a value."""
        with self._environment.begin() as transaction:
            value = transaction.get(key.encode("latin-1"))
        if value is None:
            raise KeyError("it is gone from the LMDB")
        return bytes(value)

    def fingerprint(self, cache: Path | None = None) -> dict[str, Any]:
        """Return entries, size, first and last key, and the last transaction, which every change increments."""
        with self._environment.begin() as transaction, transaction.cursor() as cursor:
            ends = [cursor.key().decode("latin-1") for move in (cursor.first, cursor.last) if move()]
        return {
            "kind": "lmdb",
            "records": len(self),
            "bytes": (self.path / "data.mdb").stat().st_size,
            "last_transaction": self._info["last_txnid"],
            "first_and_last_key": ends,
        }


_ENVIRONMENTS: weakref.WeakValueDictionary[Path, lmdb.Environment] = weakref.WeakValueDictionary()


def _open_lmdb(path: Path) -> lmdb.Environment:
    # LMDB lets a process open an environment only once.
    environment = _ENVIRONMENTS.get(path.resolve())
    if environment is None:
        try:
            # Without a lock file: the folder may be read-only, and there are no writers.
            environment = lmdb.open(str(path), readonly=True, lock=False, readahead=False, create=False)
        except lmdb.Error as error:
            remedy = "close it there" if "already open" in str(error) else "copy it again"
            raise UserError(f"{path} can't be opened as an LMDB ({error}): {remedy}") from error
        _ENVIRONMENTS[path.resolve()] = environment
    return environment


class ZippedLMDB(Origin):
    """An LMDB within a zip, which must be unpacked to be read.

    Args:
        path: the zip.

    Raises:
        UserError: it is not a zip, or has no `data.mdb`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zip = open_zip(path)
        members = [info for info in self._zip.infolist() if Path(info.filename).name == "data.mdb"]
        if len(members) != 1:
            raise UserError(f"{path} holds {len(members)} files data.mdb instead of one: it is not an LSUN zip")
        self._member = members[0]
        self.packed_bytes = self._member.file_size

    def fingerprint(self, cache: Path | None = None) -> dict[str, Any]:
        """Return size and CRC of the database."""
        return {"kind": "zipped lmdb", "bytes": self._member.file_size, "crc": self._member.CRC}

    def unpack(self, folder: Path) -> Source:
        """Write `data.mdb` into a folder, once, and return it as a source."""
        target = folder / "data.mdb"
        if not target.exists():
            folder.mkdir(parents=True, exist_ok=True)
            part = folder / "data.mdb.part"
            try:
                with self._zip.open(self._member) as packed, part.open("wb") as file:
                    while block := packed.read(1 << 24):
                        file.write(block)
            except (zipfile.BadZipFile, zlib.error, EOFError) as error:
                raise UserError(f"{self.path} is damaged ({error}): fetch it again") from error
            part.rename(target)
        return LMDBSource(folder)


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip.

    Raises:
        UserError: it is not a zip, is truncated, or names files outside its own folder.
    """
    try:
        archive = zipfile.ZipFile(path)
        # Members are never written under their names, but such a zip is malicious.
        for name in archive.namelist():
            if leads_out(name):
                raise UserError(f"{path} holds a file that leads out of its folder, {name!r}: it can't be trusted")
        return archive
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(f"{path} can't be read as a zip ({error}): it is damaged or cut short, fetch it again") from (
            error
        )
