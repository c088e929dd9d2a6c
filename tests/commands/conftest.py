"""A run that many tests look at, each at a copy of its own."""

import shutil
from pathlib import Path

import pytest

from genbench.__main__ import main
from tests.commands.small_runs import CLASSIFIER, TINY, UNET, run_of
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


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return small trained runs that others are built on."""
    folder = tmp_path_factory.mktemp("runs")
    process = "method.process.steps=20"
    ddpm = ["method=ddpm", *TINY, *UNET, process, "steps=30", "sampler.steps=5"]
    vae = ["method=vae", *TINY, "network.autoencoder.width=8", "method.latent_dim=4", "steps=30"]
    return {
        "ddpm": run_of(folder, "ddpm", *ddpm),
        "classifier": run_of(folder, "classifier", *CLASSIFIER, process, "steps=60"),
        "vae": run_of(folder, "vae", *vae),
    }
