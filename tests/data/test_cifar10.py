"""CIFAR-10: its pickles are read, and nothing that they might name is run."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from genbench.data.cifar10 import CIFAR10
from genbench.errors import UserError
from tests.data.distributed import crop, make_cifar10


@pytest.mark.parametrize("archive", [False, True])
def test_images_and_classes(tmp_path: Path, archive: bool) -> None:
    data = CIFAR10(str(make_cifar10(tmp_path, archive=archive)))
    train, test = data.store("train"), data.store("test")
    assert (len(train), len(test)) == (40, 8)
    expected = np.stack([np.asarray(crop(index, 32, 32)).transpose(2, 0, 1) for index in range(48)])
    np.testing.assert_array_equal(train.samples[:].numpy(), expected[:40])
    np.testing.assert_array_equal(test.samples[:].numpy(), expected[40:])
    assert train.conditions[:].tolist() == [(number + index) % 10 for number in range(5) for index in range(8)]
    assert CIFAR10(str(tmp_path), size=16).store("test").samples.shape == (8, 3, 16, 16)


def test_a_pickle_of_numpy_two_is_read_as_well(tmp_path: Path) -> None:
    make_cifar10(tmp_path)
    data = np.arange(2 * 3072, dtype=np.uint8).reshape(2, 3072)
    for protocol in (2, 4):
        with (tmp_path / "cifar-10-batches-py" / "test_batch").open("wb") as file:
            pickle.dump({b"labels": [1, 2], b"data": data}, file, protocol=protocol)
        assert torch.equal(CIFAR10(str(tmp_path)).store("test").samples[:].view(2, -1), torch.from_numpy(data))


class Trap:
    """What a pickle could do to its reader."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def test_a_pickle_runs_nothing(tmp_path: Path) -> None:
    make_cifar10(tmp_path)
    with (tmp_path / "cifar-10-batches-py" / "test_batch").open("wb") as file:
        pickle.dump({b"labels": [0], b"data": Trap(tmp_path / "sprung")}, file)
    with pytest.raises(UserError, match=r"asks for posix.mkdir.*it was not run"):
        CIFAR10(str(tmp_path)).store("test")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("damage", [b"", b"\x80\x02]", b"not a pickle"])
def test_damaged_batches_are_named(tmp_path: Path, damage: bytes) -> None:
    make_cifar10(tmp_path)
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").write_bytes(damage)
    with pytest.raises(UserError, match="data_batch_3 is not a CIFAR-10 batch"):
        CIFAR10(str(tmp_path)).store("train")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="170,498,071 bytes, MD5 c58f30108f718f92721af3b95e74349a"):
        CIFAR10(str(tmp_path), download=False).prepare_data()
    make_cifar10(tmp_path)
    (tmp_path / "cifar-10-batches-py" / "data_batch_2").unlink()
    with pytest.raises(UserError, match="data_batch_2"):
        CIFAR10(str(tmp_path)).store("train")
    (tmp_path / "other").mkdir()
    archive = make_cifar10(tmp_path / "other", archive=True) / "cifar-10-python.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-2000])
    with pytest.raises(UserError, match="damaged or incomplete"):
        CIFAR10(str(tmp_path / "other")).store("train")
