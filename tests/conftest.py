"""What many tests need: small runs in this process, and the command line in a fresh one."""

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from genbench.__main__ import main
from tests.warm import run_warm, start_server

# The networks of the tests are too small to gain from a second thread.
torch.set_num_threads(1)

# Before any test changes the environment.
start_server()

SMALL = [
    "data.size=8",
    "data.batch_size=32",
    "method.latent_dim=8",
    "metrics.count=64",
    "trainer.accelerator=cpu",
    "callbacks.grid.count=4",
    "callbacks.grid.max_fraction=1",
    "callbacks.scores.max_fraction=1",
]
"""Settings of runs that take a second."""

NETWORKS = {
    "mlp": ["network=mlp", "network.generator.hidden=[32]", "network.discriminator.hidden=[32]"],
    "dcgan": ["network=dcgan", "network.generator.width=4", "network.discriminator.width=4"],
}

Train = Callable[..., Path]

_LONG = ("slurm", "test_nothing_lost.py", "test_accelerator.py", "commands")
"""Files and folders whose tests take longest: begun first, so that several workers end together."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the long ones to the front, whole files in their order."""
    items.sort(key=lambda item: next((rank for rank, part in enumerate(_LONG) if part in item.path.parts), len(_LONG)))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, without this machine's own settings: what tests leave is not found by others."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("settings")))
    for name in ("GENBENCH_DATA", "GENBENCH_OUTPUT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """Return a function that trains a small GAN in this process and returns its run folder."""

    def run(*overrides: str, network: str = "mlp", name: str = "run", status: int = 0) -> Path:
        # The experiment sets widths, which the MLP does not have, so the schema of settings is opened for them.
        chosen = ["experiment=gan_digits", *NETWORKS[network], *SMALL]
        assert main(["train", *chosen, f"output={tmp_path}", f"name={name}", *overrides]) == status
        return max((tmp_path / name).iterdir(), key=lambda path: path.stat().st_mtime_ns)

    return run


@pytest.fixture
def command_line() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs `python -m genbench` in a process of its own."""

    def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return run_warm(["-m", "genbench", *arguments], **options)

    return run


@pytest.fixture
def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
