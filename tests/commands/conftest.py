"""A run that many tests look at, each at a copy of its own."""

import shutil
from pathlib import Path

import pytest

from genbench.__main__ import main
from tests.conftest import NETWORKS, SMALL


@pytest.fixture(scope="session")
def conditional_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a GAN of classes for four steps, with two checkpoints on the way."""
    output = tmp_path_factory.mktemp("conditional")
    words = ["method=cgan", "method.embedding_dim=4", "steps=4", "callbacks.checkpoints.keep=2"]
    assert main(["train", "experiment=gan_digits", *NETWORKS["mlp"], *SMALL, *words, f"output={output}", "name=r"]) == 0
    (folder,) = (output / "r").iterdir()
    return folder


@pytest.fixture
def run(conditional_run: Path, tmp_path: Path) -> Path:
    """Return a copy of the run, to do with as one likes."""
    return Path(shutil.copytree(conditional_run, tmp_path / "run"))
