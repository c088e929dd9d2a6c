"""MNIST from files as they are distributed, made here in its format."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from genbench.data.mnist import MNIST
from genbench.errors import UserError

IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def idx(array: np.ndarray) -> bytes:
    """Write an IDX file by the format's description."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (10_000, 28, 28), dtype=np.uint8)


@pytest.fixture
def labels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 10, 10_000, dtype=np.uint8)


@pytest.fixture
def raw(tmp_path: Path, pixels: np.ndarray, labels: np.ndarray) -> Path:
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    (folder / IMAGES).write_bytes(idx(pixels))
    (folder / LABELS).write_bytes(idx(labels))
    return folder


def compress(file: Path) -> None:
    file.with_name(file.name + ".gz").write_bytes(gzip.compress(file.read_bytes(), 1))
    file.unlink()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("root", [".", "MNIST", "MNIST/raw"])
def test_reads_what_is_there(
    raw: Path, tmp_path: Path, pixels: np.ndarray, labels: np.ndarray, compressed: bool, root: str
) -> None:
    if compressed:
        compress(raw / IMAGES)
    store = MNIST(str(tmp_path / root), download=False).store("test")
    assert torch.equal(store.samples, torch.from_numpy(pixels).unsqueeze(1))
    assert store.conditions.tolist() == labels.tolist()


def test_resizes_when_asked(raw: Path, tmp_path: Path) -> None:
    data = MNIST(str(tmp_path), size=32, download=False)
    assert data.store("test").samples.shape == (10_000, 1, 32, 32)
    assert data.image_shape == (1, 32, 32)


def test_a_missing_file_is_named_with_the_place_it_belongs(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte\.gz.*MNIST/raw"):
        MNIST(str(tmp_path), download=False).prepare_data()
    with pytest.raises(UserError, match=IMAGES):
        MNIST(str(tmp_path), download=False).store("test")


def test_a_failed_download_says_what_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import datasets

    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("no network")

    monkeypatch.setattr(datasets, "MNIST", fail)
    with pytest.raises(UserError, match=r"no network.*t10k-labels-idx1-ubyte\.gz"):
        MNIST(str(tmp_path), download=True).prepare_data()


@pytest.mark.parametrize("ends", [RuntimeError("no network"), KeyboardInterrupt()])
@pytest.mark.parametrize("exists", [False, True])
def test_a_failed_download_leaves_nothing_under_a_mistyped_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool, ends: BaseException
) -> None:
    from torchvision import datasets

    def fail(root: str, download: bool) -> None:
        folder = Path(root, "MNIST", "raw")
        folder.mkdir(parents=True)
        (folder / f"{IMAGES}.gz").write_bytes(b"half of")
        raise ends

    monkeypatch.setattr(datasets, "MNIST", fail)
    root = tmp_path / "homes" / "mistyped"
    if exists:
        (root / "mine").mkdir(parents=True)
    with pytest.raises((UserError, KeyboardInterrupt)):
        MNIST(str(root)).prepare_data()
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == (["homes", "homes/mistyped", "homes/mistyped/mine"] if exists else [])


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_cut_short_is_named(raw: Path, tmp_path: Path, compressed: bool) -> None:
    if compressed:
        compress(raw / IMAGES)
    file = next(raw.glob(f"{IMAGES}*"))
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(UserError, match=f"{IMAGES}.*fetch it again"):
        MNIST(str(tmp_path), download=False).store("test")


def test_another_file_under_the_name_is_refused(raw: Path, tmp_path: Path) -> None:
    (raw / IMAGES).write_bytes(b"<html>quota exceeded</html>")
    with pytest.raises(UserError, match="its header is"):
        MNIST(str(tmp_path), download=False).store("test")
    (raw / f"{IMAGES}.gz").write_bytes(b"<html>quota exceeded</html>")
    (raw / IMAGES).unlink()
    with pytest.raises(UserError, match="damaged"):
        MNIST(str(tmp_path), download=False).store("test")


def test_labels_beyond_nine_are_refused(raw: Path, tmp_path: Path, labels: np.ndarray) -> None:
    (raw / LABELS).write_bytes(idx(labels + 5))
    with pytest.raises(UserError, match="beyond 9"):
        MNIST(str(tmp_path), download=False).store("test")
