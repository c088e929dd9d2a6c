"""`train init=RUN`: another run's weights where names and shapes fit."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from genbench.__main__ import main
from tests.commands.small_runs import weights_of
from tests.conftest import Train

# With a learning rate that moves nothing, what a run ends with is what it began with.
STILL = ["method.generator_optimizer.lr=1e-30", "method.discriminator_optimizer.lr=1e-30"]


def test_a_run_begins_with_the_weights_of_another(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    first = train("steps=4", name="first")
    second = train("steps=1", *STILL, f"init={first}", "seed=5", name="second")
    before, after = weights_of(first), weights_of(second)
    for name in before:
        if name.startswith(("generator.", "discriminator.")):
            assert torch.equal(before[name], after[name]), name
    # The average follows the network anew.
    assert int(after["average.n_averaged"]) == 1
    facts = json.loads((second / "manifest.json").read_text())["initialised"]
    assert facts["step"] == 4
    assert facts["not_initialised"] == []
    assert "initialised from" in capsys.readouterr().out


def test_what_does_not_fit_is_listed(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    first = train("steps=1", name="first")
    second = train("steps=1", *STILL, f"init={first}/checkpoints/last.ckpt", "data.size=10", name="second")
    facts = json.loads((second / "manifest.json").read_text())["initialised"]
    before, after = weights_of(first), weights_of(second)
    fitting = [name for name in after if name in before and before[name].shape == after[name].shape]
    others = [name for name in after if name not in fitting]
    assert others
    assert [line.partition(" ")[0] for line in facts["not_initialised"]] == others
    printed = capsys.readouterr().out
    assert f"{len(others)} keep their random initialisation" in printed
    assert others[0] in printed


def test_a_run_that_goes_on_needs_the_other_no_more(train: Train, tmp_path: Path) -> None:
    first = train("steps=2", name="first")
    second = train("steps=2", f"init={first}", name="second")
    shutil.rmtree(first)
    assert main(["train", f"run={second}", "steps=4"]) == 0


def test_nothing_to_begin_with(train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["method=gan", "data=digits", "data.size=8", "network=mlp", "steps=1", f"output={tmp_path / 'out'}"]
    assert main([*words, f"init={tmp_path}"]) == 2
    assert "is not a run folder" in capsys.readouterr().err
    vae = ["method=vae", "data=digits", "data.size=8", "steps=1", "trainer.accelerator=cpu", "callbacks.scores=null"]
    assert main([*vae, f"output={tmp_path}", "name=vae"]) == 0
    (other,) = (tmp_path / "vae").iterdir()
    capsys.readouterr()
    assert main([*words, f"init={other}"]) == 2
    assert "none of its weights fits" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
