"""CIFAR-10 as it is distributed (Krizhevsky 2009): 50,000 training and 10,000 test images of 32 x 32 in ten classes.

Example:
    python -m genbench data=cifar10 data.root=~/data metrics=none
"""

import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genbench.conditions.classes import Classes
from genbench.data.base import DataSet, Split
from genbench.data.downloads import fetched
from genbench.data.resize import resize
from genbench.data.store import SampleStore
from genbench.errors import UserError
from genbench.medium import Images

_FOLDER = "cifar-10-batches-py"
_ARCHIVE = "cifar-10-python.tar.gz"
_BYTES, _MD5 = 170_498_071, "c58f30108f718f92721af3b95e74349a"
_BATCHES: dict[Split, list[str]] = {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]}
_SIDE = 32
_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


class CIFAR10(DataSet):
    """Small photographs with their classes, read completely into memory (184 MB).

    The Python version is looked for in `root`: the folder `cifar-10-batches-py`, or `cifar-10-python.tar.gz`, which is
    read in place.

    Args:
        root: folder of the data.
        size: side in pixels; other than 32 by antialiased bilinear interpolation.
        download: whether torchvision may fetch the archive into `root`.
        batch_size: images of a batch over all processes.
        seed: seed of the training order.
        settings: those of `DataSet`.

    Raises:
        UserError: an argument is out of range.
    """

    name = "cifar10"

    def __init__(
        self,
        root: str = "data",
        size: int = _SIDE,
        download: bool = True,
        batch_size: int = 128,
        seed: int = 0,
        **settings: Any,
    ) -> None:
        super().__init__(batch_size, seed, **settings)
        if size < 8:
            raise UserError(f"data.size must be at least 8 pixels, not {size}")
        self.medium = Images((3, size, size))
        self.condition = Classes(_CLASSES)
        self.root = Path(root).expanduser()
        self.download = download

    def prepare_data(self) -> None:
        """Download the archive if it is missing and downloads are allowed."""
        if (self.root / _FOLDER).is_dir() or (self.root / _ARCHIVE).is_file():
            return
        where = f"put {_ARCHIVE} ({_BYTES:,} bytes, MD5 {_MD5}) there, or unpacked as {_FOLDER}"
        if not self.download:
            raise UserError(f"CIFAR-10 is not under data.root={self.root}: {where}, or set data.download=true")
        from torchvision.datasets.cifar import CIFAR10 as TORCHVISION
        from torchvision.datasets.utils import download_url

        try:
            with fetched(self.root / _ARCHIVE):
                download_url(TORCHVISION.url, str(self.root), _ARCHIVE, _MD5)
        except (OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"CIFAR-10 is not under data.root={self.root} and can't be downloaded ({reason}): {where}"
            ) from error

    def load(self, split: Split) -> SampleStore:
        """Return the images of a split, uint8 (N, 3, size, size), with their classes (N,)."""
        files = self._read_files(_BATCHES[split])
        batches = [_parse(content, f"{self.root}: {name}") for name, content in files.items()]
        images = torch.from_numpy(np.concatenate([images for images, _ in batches]))
        classes = torch.from_numpy(np.concatenate([classes for _, classes in batches]))
        return SampleStore(resize(images, self.medium.shape[1], "bilinear"), classes)

    def _read_files(self, names: list[str]) -> dict[str, bytes]:
        folder, archive = self.root / _FOLDER, self.root / _ARCHIVE
        try:
            if folder.is_dir():
                return {name: (folder / name).read_bytes() for name in names}
            with tarfile.open(archive) as tar:
                found = {}
                for member in tar:
                    name = Path(member.name).name
                    if name in names and (file := tar.extractfile(member)) is not None:
                        found[name] = file.read()
        except (OSError, EOFError, tarfile.TarError) as error:
            where = folder if folder.is_dir() else archive
            raise UserError(f"{where} can't be read ({error}): it is damaged or incomplete, fetch it again") from error
        if missing := [name for name in names if name not in found]:
            raise UserError(f"{archive} lacks {', '.join(missing)}: it is damaged or incomplete, fetch it again")
        return {name: found[name] for name in names}


def _parse(content: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, 3, 32, 32) and classes (n,) of a batch."""
    try:
        batch = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
        pixels, labels = _array(batch[b"data"]), np.asarray(batch[b"labels"], dtype=np.int64)
        images = pixels.reshape(-1, 3, _SIDE, _SIDE)
        if len(images) != len(labels) or not ((labels >= 0) & (labels <= 9)).all():
            raise ValueError(f"{len(images)} images with {len(labels)} labels, which must be from 0 to 9")
    except pickle.UnpicklingError as error:
        raise UserError(f"{where} is not a CIFAR-10 batch: {error}") from error
    except Exception as error:  # a damaged pickle can raise anything
        raise UserError(f"{where} is not a CIFAR-10 batch, or is damaged ({error!r}): fetch it again") from error
    return images, labels


class _Plain:
    """A stand-in for NumPy's objects while a batch is unpickled: it stores its arguments and does nothing."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _ArraysOnly(pickle.Unpickler):
    """Unpickle arrays without running any code that the pickle names."""

    def find_class(self, module: str, name: str) -> Any:
        """Return stand-ins for the parts of an array, and nothing else."""
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _Plain
        if module == "numpy" and name in ("ndarray", "dtype"):
            return _Plain
        if (module, name) == ("_codecs", "encode"):
            # In protocol 2, Python 3 writes bytes as Latin-1 text.
            return lambda text, encoding: text.encode(encoding)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR-10 batch needs; it was not run")


def _array(plain: _Plain) -> np.ndarray:
    """Return the uint8 array that a pickle describes."""
    _, shape, dtype, fortran, content = plain.state
    if dtype.arguments[0] not in ("u1", b"u1") or fortran:
        raise ValueError("its pixels are not a uint8 array in C order")
    return np.frombuffer(bytearray(content), dtype=np.uint8).reshape(shape)
