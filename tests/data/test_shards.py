"""Shards: indexed as one tensor would be, without taking the memory of one."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from genbench.data import shards
from genbench.data.loader import BatchLoader
from genbench.data.prepare import Writer
from genbench.data.shards import HEADER_BYTES, Shards, images_per_shard, shard_name
from genbench.data.store import SampleStore


def manifest(folder: Path, count: int, shape: tuple[int, int, int]) -> None:
    content = {"format": 1, "count": count, "image_shape": shape, "skipped": [], "has_conditions": False}
    (folder / "manifest.json").write_text(json.dumps(content))


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, np.ndarray]:
    """Return a store of five shards and what is in it."""
    monkeypatch.setattr(shards, "SHARD_BYTES", HEADER_BYTES + 10 * 5 * 4 * 3)
    images = np.random.default_rng(0).integers(0, 256, (43, 5, 4, 3), dtype=np.uint8)
    writer = Writer(tmp_path, (5, 4, 3))
    for first in range(0, 43, 8):
        part = images[first : first + 8]
        writer.append(part, [str(index) for index in range(len(part))], [])
    with (tmp_path / shard_name(4)).open("r+b") as file:
        file.write(writer._header(3))
    manifest(tmp_path, 43, (5, 4, 3))
    return tmp_path, images


def test_indexing_is_a_tensors(written: tuple[Path, np.ndarray]) -> None:
    folder, images = written
    tensor, opened = torch.from_numpy(images).permute(0, 3, 1, 2), Shards(folder)
    assert len(list(folder.glob("*.npy"))) == 5
    assert (len(opened), opened.shape) == (43, (43, 3, 5, 4))
    generator = torch.Generator().manual_seed(0)
    for index in [torch.randperm(43, generator=generator), torch.tensor([7, 7, 42, 0]), torch.tensor([12])]:
        assert torch.equal(opened[index], tensor[index])
    for part in [slice(None), slice(8, 12), slice(40, 99), slice(None, None, 7)]:
        assert torch.equal(opened[part], tensor[part])


def test_reading_ahead_and_giving_back_pages_change_nothing(
    written: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, images = written
    monkeypatch.setattr(shards, "_RESIDENT_BYTES", 1)
    opened = Shards(folder)
    opened.will_need(torch.tensor([0, 8, 38]), 8)
    kept = opened[:]
    opened[torch.arange(20)]
    assert torch.equal(kept, torch.from_numpy(images).permute(0, 3, 1, 2))


def sparse_store(folder: Path, count: int, side: int = 64) -> Shards:
    """Return a store of black images that takes no disk."""
    shape = (side, side, 3)
    capacity = images_per_shard(shape)
    for index, first in enumerate(range(0, count, capacity)):
        path = folder / shard_name(index)
        path.touch()
        os.truncate(path, HEADER_BYTES + min(capacity, count - first) * side * side * 3)
    manifest(folder, count, shape)
    return Shards(folder)


def resident() -> int:
    """Return this process's resident memory in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("how", ["full", "blocks"])
def test_memory_stays_while_a_large_store_is_read(tmp_path: Path, how: str) -> None:
    """More than a gibibyte in CI; `make bench` reads twenty."""
    images = sparse_store(tmp_path, images_per_shard((64, 64, 3)) + 10_000)
    loader = BatchLoader(SampleStore(images), 512, shuffle=how)  # type: ignore[arg-type]
    iterator = iter(loader)
    next(iterator)
    before, most = resident(), 0
    for number, batch in enumerate(iterator):
        if number % 16 == 0:
            most = max(most, resident())
        assert batch.x.shape == (512, 3, 64, 64)
    assert most - before < 300e6
