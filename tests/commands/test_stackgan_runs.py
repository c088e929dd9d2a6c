"""StackGAN from the command line: both stages, a CLIP as a part, resumed to the bit, on two processes, by prompt."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from genbench.__main__ import main
from tests.commands.small_runs import run_of, weights_of

CommandLine = Callable[..., subprocess.CompletedProcess[str]]

DATA = ["data.count=40", "data.held_out=20", "data.batch_size=8", "trainer.accelerator=cpu"]
SMALL = [
    *DATA, "schedule@method.schedule=constant", "callbacks.grid.count=4", "callbacks.nearest=null",
    "network.generator.width=4", "network.generator.caption_dim=8", "network.discriminator.width=4",
    "method.r1_every=2",
]  # fmt: skip
WORDS = ["network.generator.text.width=8", "network.discriminator.text.width=8"]
STAGE_ONE = ["experiment=stackgan_scenes", *SMALL, *WORDS]
STAGE_TWO = ["experiment=stackgan_scenes64", *SMALL, *WORDS, "network.generator.blocks=1"]


@pytest.fixture(scope="module")
def stage_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(tmp_path_factory.mktemp("one"), "one", *STAGE_ONE, "steps=4")


@pytest.fixture(scope="module")
def stage_two(stage_one: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(tmp_path_factory.mktemp("two"), "two", *STAGE_TWO, f"parts.stage_one={stage_one}", "steps=4")


@pytest.mark.parametrize("stage", ["one", "two"])
def test_both_stages_go_on_to_the_bit(stage: str, stage_one: Path, stage_two: Path, tmp_path: Path) -> None:
    words = STAGE_ONE if stage == "one" else [*STAGE_TWO, f"parts.stage_one={stage_one}"]
    halved = run_of(tmp_path, "halved", *words, "steps=2")
    assert main(["train", f"run={halved}", "steps=4"]) == 0
    whole, resumed = weights_of(stage_one if stage == "one" else stage_two), weights_of(halved)
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not any(name.startswith("stage_one") for name in whole)


def test_captions_are_drawn_in_both_sizes_and_scored(
    stage_one: Path, stage_two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for run, side in ((stage_one, 32), (stage_two, 64)):
        out = tmp_path / str(side)
        assert main(["sample", f"run={run}", "count=3", "prompt=a white one on black", f"out={out}"]) == 0
        pictures = sorted((out / "images").glob("*.png"))
        assert [Image.open(each).size for each in pictures] == [(side, side)] * 3
        capsys.readouterr()
        assert main(["evaluate", f"run={run}", "count=20", "device=cpu"]) == 0
        assert "alignment_digit" in capsys.readouterr().out
        assert main(["sample", f"run={run}", "count=1", "prompt=a purple one", f"out={tmp_path / 'no'}"]) == 2
        assert "purple" in capsys.readouterr().err
    words = ["edit", "editor=interpolate", "editor.steps=3", "count=2", "prompt=a white one on black", "device=cpu"]
    assert main([*words, f"run={stage_one}", f"out={tmp_path / 'between'}"]) == 0
    assert main([*words, f"run={stage_two}", f"out={tmp_path / 'no'}"]) == 2
    assert "lacks the ability" in capsys.readouterr().err


def test_captions_may_be_read_by_a_clip(tmp_path: Path) -> None:
    clip = run_of(tmp_path, "clip", "experiment=clip_scenes", *DATA, "schedule@method.schedule=constant", "steps=1")
    words = ["experiment=stackgan_scenes", *SMALL, "network.generator.text=null", "network.discriminator.text=null"]
    run = run_of(tmp_path, "read", *words, f"parts.embedder={clip}", "steps=2")
    assert not any("embedder" in name or "tokens" in name for name in weights_of(run))
    assert main(["sample", f"run={run}", "count=2", "prompt=a white one on black", f"out={tmp_path / 'out'}"]) == 0


@pytest.mark.parametrize("stage", ["one", "two"])
def test_two_processes_train_each_stage(
    stage: str, stage_one: Path, command_line: CommandLine, tmp_path: Path, free_port: int
) -> None:
    words = STAGE_ONE if stage == "one" else [*STAGE_TWO, f"parts.stage_one={stage_one}"]
    done = command_line(
        *words, "steps=3", f"output={tmp_path}", "name=both", "trainer=ddp", "trainer.devices=2",
        env={**os.environ, "OMP_NUM_THREADS": "1", "MASTER_PORT": str(free_port)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "both").iterdir()
    assert all(value.isfinite().all() for value in weights_of(run).values() if value.is_floating_point())


def test_what_does_not_go_together_gets_one_message(
    stage_one: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, message in (
        ([*STAGE_TWO], "parts.stage_one"),
        (["method=stackgan", "data=digits", "network=stackgan_small"], "data with captions"),
        ([*STAGE_ONE, "network.discriminator.norm=batch"], "norm=none"),
        ([*STAGE_TWO, f"parts.stage_one={stage_one}", "data.size=32"], "2, 4, 8"),
        ([*STAGE_ONE, "data.most_digits=3"], "1 or 2"),
    ):
        assert main([*words, f"output={tmp_path}", "steps=1"]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert len(said.strip().splitlines()) == 1
