"""Prepared images on disk: uint8 arrays in `.npy` files of at most 1 GiB, read through the page cache.

A store is a folder:

    manifest.json       its contents and settings; written last, so a store without one is incomplete
    images-00000.npy    uint8 (n, H, W, C); every file but the last holds the same number of images
    conditions.npy      (N, ...), if the data set has conditions

Any tool can open the files: `numpy.load(file, mmap_mode="r")`.
"""

import mmap
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genbench.errors import UserError, first_line
from genbench.files import parse_json

FORMAT = 1
MANIFEST = "manifest.json"
CONDITIONS = "conditions.npy"
SHARD_BYTES = 1 << 30
HEADER_BYTES = 128
"""Length of an `.npy` header; NumPy pads to a multiple of 64, and a uint8 image array of any length fits in 128."""

_RESIDENT_BYTES = 128 << 20
# At each page fault the kernel maps up to 16 cached pages around it.
_FAULT_AROUND = 16 * mmap.PAGESIZE


def shard_name(index: int) -> str:
    """Return the file name of a shard."""
    return f"images-{index:05d}.npy"


def images_per_shard(shape: tuple[int, ...]) -> int:
    """Return how many images (H, W, C) a full shard holds."""
    return max(1, (SHARD_BYTES - HEADER_BYTES) // int(np.prod(shape)))


class Shards:
    """The images of a store, as if they were one uint8 tensor (N, C, H, W) that can be indexed by a slice or a tensor.

    A batch is gathered by one copy per shard, however many images it has. Pages that were read stay in the kernel's
    cache but are unmapped from this process from time to time, so its memory does not grow.

    Args:
        folder: the store.

    Raises:
        UserError: the store is incomplete, or its files do not match the manifest.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        height, width, channels = self.manifest["image_shape"]
        self.shape = (self.manifest["count"], channels, height, width)
        self.image_bytes = height * width * channels
        self._capacity = images_per_shard((height, width, channels))
        self._maps: list[mmap.mmap] = []
        self._shards: list[Tensor] = []
        for index, first in enumerate(range(0, len(self), self._capacity)):
            self._open(folder / shard_name(index), min(self._capacity, len(self) - first))
        self._touched = 0

    def __len__(self) -> int:
        """Return how many images there are."""
        return int(self.shape[0])

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        """Return images, uint8 (B, C, H, W), in the order of the index; in memory they are channels-last."""
        rows = torch.arange(*index.indices(len(self))) if isinstance(index, slice) else index
        _, channels, height, width = self.shape
        return self._gather(rows).view(-1, height, width, channels).permute(0, 3, 1, 2)

    def will_need(self, starts: Tensor, length: int) -> None:
        """Ask the kernel to read runs of `length` images ahead, each in one piece."""
        for start in starts.tolist():
            stop = min(start + length, len(self))
            for shard in range(start // self._capacity, -(-stop // self._capacity)):
                first = max(start - shard * self._capacity, 0) * self.image_bytes + HEADER_BYTES
                last = min(stop - shard * self._capacity, self._capacity) * self.image_bytes + HEADER_BYTES
                first -= first % mmap.PAGESIZE
                self._maps[shard].madvise(mmap.MADV_WILLNEED, first, last - first)

    def _open(self, path: Path, count: int) -> None:
        expected = HEADER_BYTES + count * self.image_bytes
        try:
            size = path.stat().st_size
            if size != expected:
                raise UserError(f"{path} has {size:,} bytes instead of {expected:,}: {_again(self.folder)}")
            with path.open("rb") as file:
                self._maps.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except OSError as error:
            raise UserError(f"{path} can't be read ({error}): {_again(self.folder)}") from error
        with warnings.catch_warnings():
            # It is never written to.
            warnings.filterwarnings("ignore", message="The given buffer is not writable")
            flat = torch.frombuffer(self._maps[-1], dtype=torch.uint8, offset=HEADER_BYTES)
        self._shards.append(flat.view(count, self.image_bytes))

    def _gather(self, rows: Tensor) -> Tensor:
        shard_of = rows.div(self._capacity, rounding_mode="floor")
        touched = shard_of.unique().tolist()
        if len(touched) == 1:
            gathered = self._shards[touched[0]].index_select(0, rows - touched[0] * self._capacity)
        else:
            gathered = torch.empty(len(rows), self.image_bytes, dtype=torch.uint8)
            for shard in touched:
                chosen = (shard_of == shard).nonzero().squeeze(1)
                part = self._shards[shard].index_select(0, rows[chosen] - shard * self._capacity)
                gathered.index_copy_(0, chosen, part)
        self._release(len(rows))
        return gathered

    def _release(self, count: int) -> None:
        self._touched += count * (self.image_bytes + _FAULT_AROUND)
        if self._touched > _RESIDENT_BYTES:
            for mapped in self._maps:
                mapped.madvise(mmap.MADV_DONTNEED)
            self._touched = 0


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return a store's manifest.

    Raises:
        UserError: it is missing, or has another format.
    """
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = parse_json(path.read_text())
        known = manifest["format"] == FORMAT and len(manifest["image_shape"]) == 3 and manifest["count"] >= 0
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} can't be read ({error}): {_again(folder)}") from error
    if not known:
        raise UserError(f"{path} has format {manifest['format']} instead of {FORMAT}: {_again(folder)}")
    return manifest


def read_conditions(folder: Path, count: int) -> Tensor:
    """Return a store's conditions, (count, ...).

    Raises:
        UserError: they can't be read, or their number is wrong.
    """
    path = folder / CONDITIONS
    try:
        conditions = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path} can't be read ({first_line(error)}): {_again(folder)}") from error
    if len(conditions) != count:
        raise UserError(f"{path} has {len(conditions):,} rows for {count:,} images: {_again(folder)}")
    return torch.from_numpy(conditions)


def _again(folder: Path) -> str:
    return f"delete the folder {folder} and prepare again"
