"""Samples from files: a folder or zip of pictures, or an array in `.npz` or `.npy`."""

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from genbench.data.folders import IMAGE_ENDINGS, list_images, natural_order
from genbench.data.preparation import Preparation, decode
from genbench.data.sources import FolderSource, Source, ZipSource
from genbench.errors import UserError, first_line

SAMPLE_FILE, SAMPLE_IMAGES = "sample.json", "images"
"""File that `sample` writes into the folder of a set, with its settings and where its samples are."""


class Pictures:
    """Picture files of one size as uint8 images (N, C, H, W), decoded on access; iterated over, they may be of any.

    Args:
        source: where they are.
        channels: 3 for RGB, 1 for grey; those of the first one if None.
        count: how many of them, the first in the order of their names; all if None.
        preparation: of pictures that are of another size; None to leave all as they are.

    Raises:
        UserError: the first can't be read.
    """

    def __init__(
        self,
        source: Source,
        channels: int | None,
        count: int | None = None,
        preparation: Preparation | None = None,
    ) -> None:
        self._source = source
        self._preparation = preparation
        self._keys = list(source.list_keys())[:count]
        self._channels = channels or self._find_channels(self._keys[0])
        self._size = self._read(self._keys[0]).shape[:2]
        self.shape = (len(self._keys), self._channels, *self._size)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._keys)

    def __getitem__(self, index: slice) -> Tensor:
        """Return consecutive images.

        Raises:
            UserError: one can't be read or is of another size; the message names it.
        """
        images = []
        for key in self._keys[index]:
            pixels = self._read(key)
            if pixels.shape[:2] != self._size:
                raise UserError(
                    f"{key} of {self._source.path} has {pixels.shape[1]} x {pixels.shape[0]} pixels, and "
                    f"{self._keys[0]} has {self._size[1]} x {self._size[0]}: samples are all of one size"
                )
            images.append(pixels)
        return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)

    @property
    def names(self) -> list[str]:
        """The names of their files, in order."""
        return list(self._keys)

    def __iter__(self) -> Iterator[Tensor]:
        """Yield each image (C, H, W) in its own size.

        Raises:
            UserError: one can't be read; the message names it.
        """
        for key in self._keys:
            yield torch.from_numpy(self._read(key).copy()).permute(2, 0, 1)

    def _find_channels(self, key: str) -> int:
        try:
            with Image.open(io.BytesIO(self._source.read(key))) as picture:
                return 1 if picture.mode in ("1", "L", "LA", "I", "I;16") else 3
        except Exception as error:  # as in `_read`
            raise UserError(f"{key} of {self._source.path} can't be read: {error}") from error

    def _read(self, key: str) -> np.ndarray:
        try:
            picture = decode(self._source.read(key), self._channels)
            fit = self._preparation
            pixels = np.asarray(picture) if fit is None or picture.size == (fit.size,) * 2 else fit.fit(picture)
        except Exception as error:  # damaged files make decoders raise all kinds
            raise UserError(f"{key} of {self._source.path} can't be read: {error}") from error
        return pixels.reshape(*pixels.shape[:2], self._channels)


def open_samples(
    path: Path, channels: int | None, count: int | None = None, key: str = "images"
) -> "Tensor | Pictures":
    """Return the samples of a folder, `.zip`, `.npz` or `.npy` as uint8 images (N, C, H, W).

    Args:
        path: where they are.
        channels: of the reference they are to be compared with; their own if None.
        count: how many of them, the first in the order of the file or of their names; all if None.
        key: the setting that named them, for messages.

    Raises:
        UserError: there are none or fewer than `count`, or they are not images of so many channels.
    """
    if (path / SAMPLE_FILE).is_file() and (path / SAMPLE_IMAGES).is_dir():
        # A set from `sample`, whose folder also holds a grid of it.
        path = path / SAMPLE_IMAGES
    if path.is_dir():
        names, _ = list_images(path)
        return _pictures(path, names, lambda: FolderSource(path, names), channels, count, key)
    if not path.is_file():
        raise UserError(f"{key}={path} is neither a folder nor a file")
    if path.suffix in (".npz", ".npy"):
        images = _array(path, channels, key)
        _check_count(path, len(images), count, key)
        return images[:count]
    if path.suffix == ".zip":
        source = ZipSource(path)
        names = sorted(
            name for name in source.list_keys() if Path(name).suffix.lower() in IMAGE_ENDINGS and "__MACOSX" not in name
        )
        return _pictures(path, names, lambda: source.only(names), channels, count, key)
    raise UserError(f"{key}={path}: samples are a folder or zip of pictures, an .npz or an .npy")


def open_frames(path: Path, shape: Sequence[int], preparation: Preparation | None, key: str) -> Tensor:
    """Return frames uint8 (T, C, H, W): a picture, those of a folder in natural order, or what `open_samples` reads.

    Args:
        path: where they are.
        shape: (C, H, W) of a frame.
        preparation: of pictures that are of another size; None where there is none.
        key: the setting that named them, for messages.

    Raises:
        UserError: there are none, or they can't be read or are of another shape.
    """
    if path.is_dir() or path.suffix.lower() in IMAGE_ENDINGS:
        folder, names = (path, list_images(path)[0]) if path.is_dir() else (path.parent, [path.name])
        source = FolderSource(folder, sorted(names, key=natural_order))
        frames = _pictures(path, names, lambda: source, shape[0], None, key, preparation)[:]
    else:
        frames = open_samples(path, shape[0], key=key)[:]
    if tuple(frames.shape[1:]) != tuple(shape):
        raise UserError(f"{key}={path} are of {tuple(frames.shape[1:])}, and the run draws {tuple(shape)}")
    return frames


def _pictures(
    path: Path,
    names: list[str],
    make: Callable[[], Source],
    channels: int | None,
    count: int | None,
    key: str,
    preparation: Preparation | None = None,
) -> Pictures:
    if not names:
        raise UserError(f"{key}={path} holds no picture ({', '.join(sorted(IMAGE_ENDINGS))})")
    _check_count(path, len(names), count, key)
    return Pictures(make(), channels, count, preparation)


def _check_count(path: Path, there: int, count: int | None, key: str) -> None:
    if count is not None and count > there:
        raise UserError(f"count={count}: {key}={path} holds {there:,}")


def _array(path: Path, channels: int | None, key: str) -> Tensor:
    try:
        content = np.load(path, allow_pickle=False)
        name = "the array"
        if not isinstance(content, np.ndarray):
            # guided-diffusion's files have labels after the images.
            name = content.files[0]
            content = content[name]
    except (OSError, ValueError, EOFError, IndexError, zipfile.BadZipFile) as error:
        raise UserError(f"{key}={path} can't be read: {first_line(error)}") from error
    if content.dtype != np.uint8:
        finite = np.isfinite(content).all() if np.issubdtype(content.dtype, np.floating) else True
        found = f"from {content.min()} to {content.max()}" if finite and content.size else "with NaN or infinite values"
        raise UserError(f"{name} of {path} is {content.dtype} {found}: samples are uint8 from 0 to 255")
    if content.ndim == 3:
        content = content[..., None]
    if content.ndim != 4 or not len(content):
        raise UserError(f"{name} of {path} has the shape {content.shape}: samples are (N, H, W, C) or (N, C, H, W)")
    if content.shape[-1] not in (1, 3) and content.shape[1] in (1, 3):
        content = content.transpose(0, 2, 3, 1)
    if content.shape[-1] != (channels or content.shape[-1]):
        raise UserError(
            f"{name} of {path} has the shape {content.shape}, and the reference's images have {channels} channels"
        )
    return torch.from_numpy(np.ascontiguousarray(content)).permute(0, 3, 1, 2)
