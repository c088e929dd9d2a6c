"""Two processes on one accelerator, by the whole command."""

import csv
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks.accelerator.form import Form, environment
from tests.benchmarks.turns import DEVICE


def rows(form: Form) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return the way in which processes talk here."""
    return {f"GAN, {'NCCL' if DEVICE.type == 'cuda' else 'Gloo'}": partial(measure, form)}


def measure(form: Form) -> dict[str, Any]:
    """Return steps/s of one process and of two that share its batch, and whether BatchNorm counted over both."""
    narrow = [f"network.{player}.width=4" for player in ("generator", "discriminator")] if form.tiny else []
    steps = 12 if form.tiny else 200
    words = [
        "train", "experiment=gan_digits", *narrow, f"steps={steps}", "data.batch_size=64", "metrics=none", "name=run",
        "callbacks.grid=null", "callbacks.nearest=null", f"trainer.log_every_n_steps={steps // 4}",
    ]  # fmt: skip
    syncs = DEVICE.type == "cuda"
    together = [
        "trainer=ddp",
        "trainer.devices=1",
        "trainer.num_nodes=2",
        f"trainer.sync_batchnorm={str(syncs).lower()}",
    ]
    with tempfile.TemporaryDirectory() as folder:
        _together([*words, f"output={folder}/one"], [{}], folder)
        port, both = _free_port(), [*words, *together, f"output={folder}/two"]
        _together(both, [_environment(rank, port) for rank in range(2)], folder)
        one, two = (_steps_per_second(Path(folder, name)) for name in ("one", "two"))
    return {"steps/s, one process": one, "steps/s, two": two, "ratio": two / one, "SyncBatchNorm": syncs}


def _environment(rank: int, port: int) -> dict[str, str]:
    """Return what makes a process the only one of its node, of two.

    NCCL refuses two processes on one card of one host, so each is told that it is on a host of its own; they then talk
    by sockets.
    """
    common = {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "1", "GROUP_RANK": str(rank), "TORCHELASTIC_RUN_ID": "accelerator",
    }  # fmt: skip
    talk = {"NCCL_P2P_DISABLE": "1", "NCCL_SHM_DISABLE": "1", "NCCL_IB_DISABLE": "1", "NCCL_SOCKET_IFNAME": "lo"}
    return common | talk | {"NCCL_HOSTID": f"host{rank}"}


def _together(words: list[str], environments: list[dict[str, str]], folder: str) -> None:
    """Run a command in as many processes; if one fails the others would wait for it, so they are ended.

    Raises:
        RuntimeError: one failed, with what it said last.
    """
    said = [Path(folder, f"said_{index}") for index in range(len(environments))]
    started = []
    for own, file in zip(environments, said, strict=True):
        with file.open("w") as stream:
            command = [sys.executable, "-m", "genbench", *words]
            started.append(subprocess.Popen(command, env=environment() | own, stdout=2, stderr=stream))
    try:
        while any(process.poll() is None for process in started) and not any(process.poll() for process in started):
            time.sleep(0.1)
    finally:
        failed = [index for index, process in enumerate(started) if process.poll()]
        for process in started:
            process.kill()
            process.wait()
        for file in said:
            sys.stderr.write(file.read_text())
    if failed:
        raise RuntimeError((said[failed[0]].read_text().strip() or "no word").splitlines()[-1])


def _steps_per_second(output: Path) -> float:
    (table,) = output.glob("run/*/metrics.csv")
    with table.open() as file:
        return 1 / float(list(csv.DictReader(file))[-1]["speed/step_seconds"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
