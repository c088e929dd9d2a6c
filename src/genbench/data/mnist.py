"""MNIST as it is distributed (LeCun et al. 1998): 60,000 training and 10,000 test digits of 28 x 28 pixels.

Example:
    python -m genbench experiment=gan_mnist data.root=~/data
"""

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genbench.conditions.classes import Classes
from genbench.data.base import DataSet, Split
from genbench.data.downloads import fetched
from genbench.data.resize import resize
from genbench.data.store import SampleStore
from genbench.errors import UserError
from genbench.medium import Images

_FILES: dict[Split, tuple[str, str, int]] = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", 60_000),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", 10_000),
}
_SIDE = 28


class MNIST(DataSet):
    """Handwritten digits with their classes, white on black.

    The four files, as distributed or gunzipped, are looked for in `root/MNIST/raw`, which is torchvision's layout,
    in `root/raw`, and in `root` itself.

    Args:
        root: folder of the data.
        size: side in pixels; other than 28 by antialiased bilinear interpolation.
        download: whether torchvision may download missing files into `root`.
        batch_size: images of a batch over all processes.
        seed: seed of the training order.
        settings: those of `DataSet`.

    Raises:
        UserError: an argument is out of range.
    """

    name = "mnist"

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
        self.medium = Images((1, size, size))
        self.condition = Classes([str(digit) for digit in range(10)])
        self.root = Path(root).expanduser()
        self.download = download

    def prepare_data(self) -> None:
        """Download the files if they are missing and downloads are allowed."""
        names = [name for images, labels, _ in _FILES.values() for name in (images, labels)]
        missing = [name for name in names if self._find(name) is None]
        if not missing:
            return
        where = f"put {', '.join(f'{name}.gz' for name in missing)} into {self.root / 'MNIST' / 'raw'}"
        if not self.download:
            raise UserError(f"MNIST is not complete under data.root={self.root}: {where}, or set data.download=true")
        from torchvision import datasets  # slow to import, and needed only for a download

        try:
            with fetched(self.root / "MNIST" / "raw"):
                datasets.MNIST(str(self.root), download=True)
        except (OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"MNIST is not under data.root={self.root} and can't be downloaded ({reason}): {where}"
            ) from error

    def load(self, split: Split) -> SampleStore:
        """Return the images of a split, uint8 (N, 1, size, size), with their classes (N,)."""
        images_name, labels_name, count = _FILES[split]
        images = self._read(images_name, (count, _SIDE, _SIDE)).unsqueeze(1)
        labels = self._read(labels_name, (count,)).long()
        if labels.max() > 9:
            raise UserError(f"{self._find(labels_name)} holds classes beyond 9: it is not MNIST's; fetch it again")
        return SampleStore(resize(images, self.medium.shape[1], "bilinear"), labels)

    def _find(self, name: str) -> Path | None:
        folders = (self.root / "MNIST" / "raw", self.root / "raw", self.root)
        files = (folder / f"{name}{ending}" for folder in folders for ending in ("", ".gz"))
        return next((file for file in files if file.is_file()), None)

    def _read(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """Read an IDX file: two zero bytes, the type (8: uint8), the rank, the shape as big-endian int32, the data."""
        if (path := self._find(name)) is None:
            raise UserError(f"MNIST's file {name} (or {name}.gz) is missing under data.root={self.root}")
        try:
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{path} can't be read ({error}): it is damaged or cut short; fetch it again") from error
        header = bytes([0, 0, 8, len(shape)]) + np.array(shape, dtype=">i4").tobytes()
        if not content.startswith(header):
            raise UserError(f"{path} is not MNIST's {name}: its header is {content[:16].hex()}, not {header.hex()}")
        if len(content) != len(header) + np.prod(shape):
            raise UserError(
                f"{path} has {len(content):,} bytes instead of {len(header) + np.prod(shape):,}: fetch it again"
            )
        pixels = np.frombuffer(content, dtype=np.uint8, offset=len(header)).reshape(shape)
        return torch.from_numpy(pixels.copy())
