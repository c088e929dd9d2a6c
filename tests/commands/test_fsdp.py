"""Networks that are divided among processes, against the same training in one."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from genbench.__main__ import main
from tests.commands.small_runs import UNET, run_of, weights_of

SMALL = ["data.batch_size=8", "trainer.accelerator=cpu", "metrics=none", "callbacks.nearest.count=4", "steps=4"]
METHODS = {
    "clip": [
        "method=clip", "network=clip_small", "data=scenes", "data.count=64", "method.schedule.warmup_steps=0",
        *SMALL,
    ],
    "ddpm": ["method=ddpm", "data=digits", "data.size=8", *UNET, "callbacks.grid.count=4", *SMALL, "method.clip=0.1"],
}  # fmt: skip

CommandLine = Callable[..., subprocess.CompletedProcess[str]]


def divided(command_line: CommandLine, port: int, folder: Path, name: str, *words: str) -> Path:
    """Train in two processes that divide the network, and return the run folder."""
    done = command_line(
        *words, f"output={folder}", f"name={name}", "trainer=fsdp", "trainer.devices=2",
        env={**os.environ, "OMP_NUM_THREADS": "1", "MASTER_PORT": str(port)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (run,) = (folder / name).iterdir()
    return run


def test_clip_learns_what_it_learns_in_one_process(tmp_path: Path, command_line: CommandLine, free_port: int) -> None:
    two = divided(command_line, free_port, tmp_path, "two", *METHODS["clip"])
    found, expected = weights_of(two), weights_of(run_of(tmp_path, "one", *METHODS["clip"]))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=2e-4, msg=lambda text, at=name: f"{at}: {text}")


def test_a_run_goes_on_and_is_drawn_from_without_it(
    tmp_path: Path, command_line: CommandLine, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    run = divided(command_line, free_port, tmp_path, "two", *METHODS["ddpm"])
    assert len(list((run / "samples").glob("step_*.png"))) == 3
    assert len(list((run / "samples").glob("nearest_*.png"))) == 1
    assert main(["sample", f"run={run}", "count=2", "sampler=ddim", "sampler.steps=2", f"out={tmp_path / 'out'}"]) == 0
    # In two processes again, and then in one.
    done = command_line(
        "train", f"run={run}", "steps=6",
        env={**os.environ, "OMP_NUM_THREADS": "1", "MASTER_PORT": str(free_port)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "goes on from" in done.stdout
    assert main(["train", f"run={run}", "steps=7", "trainer=default", "trainer.accelerator=cpu"]) == 0
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["global_step"] == 7
    assert all(type(value) is torch.Tensor for value in state["state_dict"].values())
    (moments,) = [each["state"] for each in state["optimizer_states"]]
    assert {int(each["step"]) for each in moments.values()} == {7}


def test_a_method_of_two_networks_is_refused(tmp_path: Path, command_line: CommandLine, free_port: int) -> None:
    done = command_line(
        "experiment=gan_digits", *SMALL, f"output={tmp_path}", "name=two", "trainer=fsdp", "trainer.devices=2",
        env={**os.environ, "OMP_NUM_THREADS": "1", "MASTER_PORT": str(free_port)},
    )  # fmt: skip
    assert done.returncode == 2
    assert "trainer=fsdp divides one large network among the devices, and this method trains 2" in done.stderr
    assert "Traceback" not in done.stderr
