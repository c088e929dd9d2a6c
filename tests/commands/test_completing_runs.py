"""Methods that fill in images, from the command line: resumed to the bit, on two processes, edited with."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.__main__ import main
from tests.commands.small_runs import run_of, weights_of
from tests.commands.test_edit import pictures

CommandLine = Callable[..., subprocess.CompletedProcess[str]]

SMALL = [
    "data.size=16", "data.batch_size=16", "trainer.accelerator=cpu", "metrics.count=20", "callbacks.grid.count=4",
    "callbacks.grid.max_fraction=1", "network.generator.width=4", "schedule@method.schedule=constant",
]  # fmt: skip
METHODS = {
    "context_encoder": [
        "experiment=context_encoder_digits", *SMALL, "network.generator.bottleneck=16", "network.discriminator.width=4",
    ],
    "partial_convolution": ["experiment=partial_convolution_digits", *SMALL, "network.generator.levels=2"],
}  # fmt: skip


@pytest.fixture(scope="module", params=sorted(METHODS))
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    return request.param, run_of(tmp_path_factory.mktemp("runs"), "whole", *METHODS[request.param], "steps=4")


def test_it_goes_on_to_the_bit(trained: tuple[str, Path], tmp_path: Path) -> None:
    method, whole = trained
    halved = run_of(tmp_path, "halved", *METHODS[method], "steps=2")
    assert main(["train", f"run={halved}", "steps=4"]) == 0
    one, two = weights_of(whole), weights_of(halved)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_samples_are_held_out_images_filled_in(trained: tuple[str, Path], tmp_path: Path) -> None:
    _, run = trained
    for name in ("one", "two"):
        assert main(["sample", f"run={run}", "count=3", "device=cpu", f"out={tmp_path / name}"]) == 0
    one, two = (pictures(tmp_path / name, "images") for name in ("one", "two"))
    assert (one == two).all()
    assert main(["evaluate", f"run={run}", "count=20", "device=cpu"]) == 0
    assert json.loads((run / "scores.json").read_text())["values"]["fid_digits"] >= 0


def test_images_are_filled_in_by_the_editor(
    trained: tuple[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, run = trained
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16), np.uint8)
    (tmp_path / "images").mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "images" / f"{number}.png")
    words = ["edit", "editor=inpaint", f"run={run}", f"images={tmp_path / 'images'}", "device=cpu", "mask=left"]
    assert main([*words, f"out={tmp_path / 'out'}"]) == 0
    filled = pictures(tmp_path / "out")
    assert (filled[:, :, 8:] == images[:, :, 8:]).all()
    assert (filled[:, :, :8] != images[:, :, :8]).any()
    assert "filled_l1" in capsys.readouterr().out
    # It fills in by itself.
    assert main([*words, "sampler=repaint", f"out={tmp_path / 'no'}"]) == 2
    assert "sampler" in capsys.readouterr().err


@pytest.mark.parametrize("method", sorted(METHODS))
def test_two_processes_train_each(method: str, command_line: CommandLine, tmp_path: Path, free_port: int) -> None:
    done = command_line(
        *METHODS[method], "steps=3", f"output={tmp_path}", "name=two", "trainer=ddp", "trainer.devices=2",
        env={**os.environ, "OMP_NUM_THREADS": "1", "MASTER_PORT": str(free_port)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "two").iterdir()
    assert all(value.isfinite().all() for value in weights_of(run).values() if value.is_floating_point())


def test_a_center_alone_is_filled_in_where_that_was_learnt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path, "center", *METHODS["context_encoder"], "method.masks=center", "steps=1")
    words = ["edit", "editor=inpaint", f"run={run}", "count=2", "device=cpu"]
    assert main([*words, "mask=center", f"out={tmp_path / 'out'}"]) == 0
    capsys.readouterr()
    assert main([*words, "mask=left", f"out={tmp_path / 'no'}"]) == 2
    said = capsys.readouterr().err
    assert "masks=random" in said
    assert len(said.strip().splitlines()) == 1
