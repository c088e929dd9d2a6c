"""Images a second of GenBench's loader beside torchvision's data sets under a DataLoader, and of preparing; memory.

    make bench

The data are made on the spot in the formats in which they are distributed: LSUN's LMDB of JPEG and WebP images with a
short side of 256 pixels, CelebA's folder of JPEGs of 178 x 218, MNIST's IDX files. Both sides deliver shuffled batches
of 128 float images in [-1, 1] of the same pixels. Both are measured in turns within one run.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from genbench.data.base import DataSet
from genbench.data.celeba import CelebA
from genbench.data.loader import BatchLoader
from genbench.data.lsun import LSUN
from genbench.data.mnist import MNIST
from genbench.data.store import SampleStore
from tests.data.distributed import crop, encode, lsun_values, make_celeba, write_lmdb
from tests.data.test_shards import resident, sparse_store

BATCH, ROUNDS, WORKERS = 128, 3, 2
LSUN_RECORDS, CELEBA_IMAGES, DISTINCT = 24_000, 20_000, 1_500
SPARSE_BYTES = 20_000_000_000

FLOAT = [transforms.ToTensor(), transforms.Normalize([0.5], [0.5])]
LSUN_TRANSFORM = [transforms.Resize(64), transforms.CenterCrop(64)]


def make_data(root: Path) -> None:
    """Write the three data sets."""
    values = lsun_values(DISTINCT)
    write_lmdb(root / "lsun" / "bedroom_train_lmdb", [values[index % DISTINCT] for index in range(LSUN_RECORDS)])
    faces = [encode(crop(index, 178, 218), quality=95) for index in range(DISTINCT)]
    make_celeba(root / "celeba", CELEBA_IMAGES, images=lambda index: faces[index % DISTINCT], zipped=False)
    names = sorted(path.name for path in (root / "celeba" / "img_align_celeba").iterdir())
    # torchvision reads these as well.
    for name, head, row in [
        ("identity_CelebA.txt", "", "1"),
        ("list_bbox_celeba.txt", f"{len(names)}\na b c d\n", "1 1 1 1"),
        ("list_landmarks_align_celeba.txt", f"{len(names)}\na b\n", "1 1"),
    ]:
        (root / "celeba" / name).write_text(head + "".join(f"{image} {row}\n" for image in names))
    (root / "MNIST" / "raw").mkdir(parents=True)
    generator = np.random.default_rng(0)
    for part, count in [("train", 60_000), ("t10k", 10_000)]:
        for kind, shape in [("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))]:
            header = bytes([0, 0, 8, len(shape)]) + np.array(shape, dtype=">i4").tobytes()
            content = generator.integers(0, 10 if len(shape) == 1 else 256, shape, dtype=np.uint8).tobytes()
            (root / "MNIST" / "raw" / f"{part}-{kind}-ubyte").write_bytes(header + content)


class UncheckedCelebA(datasets.CelebA):
    """torchvision's class, which would refuse images that are not the official ones."""

    def _check_integrity(self) -> bool:
        return True


def speed(batches: Iterable[Any], warm_up: int = 2) -> float:
    """Return images a second; what starting costs is left out."""
    iterator = iter(batches)
    for _ in islice(iterator, warm_up):
        pass
    begin, count = time.perf_counter(), 0
    for batch in iterator:
        count += len(batch[0])
    return count / (time.perf_counter() - begin)


def torchvision_loader(dataset: Any, batches: int) -> Callable[[], Iterable[Any]]:
    """Return what starts a DataLoader over some batches."""

    def start() -> Iterable[Any]:
        return islice(DataLoader(dataset, BATCH, shuffle=True, num_workers=WORKERS), batches)

    return start


def genbench_loader(data: DataSet) -> Callable[[], Iterable[Any]]:
    """Return what starts an epoch."""
    store = data.store("train")
    return lambda: BatchLoader(store, BATCH, shuffle=data.shuffle)


def compare(name: str, ours: Callable[[], Iterable[Any]], theirs: Callable[[], Iterable[Any]]) -> dict[str, float]:
    """Measure both in turns and print."""
    rounds = [(speed(ours()), speed(theirs())) for _ in range(ROUNDS)]
    our_speed, their_speed = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(ours / theirs for ours, theirs in rounds)
    print(f"{name}: {our_speed:,.0f} images/s, torchvision {their_speed:,.0f}: {ratio:.1f} times", flush=True)
    return {"genbench": our_speed, "torchvision": their_speed, "ratio": ratio}


def preparing(root: Path) -> dict[str, float]:
    """Prepare LSUN with two processes beside torchvision's items in one, in turns."""
    decode = transforms.Compose([*LSUN_TRANSFORM, transforms.PILToTensor()])
    rounds = []
    for number in range(ROUNDS):
        data = LSUN(root=str(root / "lsun"), prepared=str(root / f"prepared{number}"), workers=WORKERS)
        begin = time.perf_counter()
        data.prepare("train")
        ours = LSUN_RECORDS / (time.perf_counter() - begin)
        del data
        dataset = datasets.LSUN(str(root / "lsun"), ["bedroom_train"], transform=decode)
        begin = time.perf_counter()
        for index in range(DISTINCT):
            dataset[index]
        rounds.append((ours, DISTINCT / (time.perf_counter() - begin)))
        for database in dataset.dbs:
            database.env.close()
    ours, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(ours / theirs for ours, theirs in rounds)
    print(f"preparing LSUN at 64: {ours:,.0f} images/s, torchvision {theirs:,.0f}: {ratio:.2f} times", flush=True)
    return {"genbench": ours, "torchvision": theirs, "ratio": ratio}


def memory(folder: Path) -> dict[str, float]:
    """Read a store of 20 GB, which takes no disk, and return by how many megabytes this process grew."""
    images = sparse_store(folder, SPARSE_BYTES // (64 * 64 * 3))
    growth = {}
    for how in ("blocks", "full"):
        iterator = iter(BatchLoader(SampleStore(images), BATCH, shuffle=how))
        next(iterator)
        before, most, begin, count = resident(), 0, time.perf_counter(), 0
        for number, batch in enumerate(iterator):
            count += len(batch.x)
            if number % 64 == 0:
                most = max(most, resident())
        growth[how] = (most - before) / 1e6
        seconds = time.perf_counter() - begin
        print(f"reading 20 GB, shuffle={how}: memory grew by {growth[how]:.0f} MB, {count / seconds:,.0f} images/s")
    return growth


def main() -> None:
    """Measure, print, and end with one line of JSON."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        # torchvision's LSUN writes a cache into the working directory.
        os.chdir(root)
        make_data(root)
        results: dict[str, Any] = {"preparing_lsun_64": preparing(root)}
        lsun = datasets.LSUN(str(root / "lsun"), ["bedroom_train"], transforms.Compose([*LSUN_TRANSFORM, *FLOAT]))
        celeba_transform = [transforms.CenterCrop(178), transforms.Resize(64), *FLOAT]
        celeba = UncheckedCelebA(str(root), transform=transforms.Compose(celeba_transform))
        mnist = datasets.MNIST(str(root), transform=transforms.Compose([transforms.Resize(32), *FLOAT]))
        prepared = str(root / "prepared0")
        pairs: list[tuple[str, Callable[[], DataSet], Any, int]] = [
            ("lsun_64", lambda: LSUN(root="gone", prepared=prepared), lsun, 24),
            ("celeba_64", lambda: CelebA(root=str(root / "celeba"), prepared=prepared), celeba, 60),
            ("mnist_32", lambda: MNIST(str(root), size=32), mnist, 400),
        ]
        for name, make, dataset, batches in pairs:
            results[name] = compare(name, genbench_loader(make()), torchvision_loader(dataset, batches))
        (root / "sparse").mkdir()
        results["memory_growth_mb"] = memory(root / "sparse")
        results["threads"] = torch.get_num_threads()
    print(json.dumps({"data_speed": results}))


if __name__ == "__main__":
    main()
