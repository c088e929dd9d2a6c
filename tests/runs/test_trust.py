"""What a stranger brings runs no code and leads nowhere else."""

import os
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from genbench.__main__ import main
from genbench.data.sources import open_zip
from genbench.errors import UserError
from tests.commands.test_train import last_checkpoint
from tests.conftest import Train


class Payload:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("it_ran",)


def test_a_checkpoint_that_would_run_code_is_refused(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    folder = train("steps=2", "callbacks.scores=null")
    content = last_checkpoint(folder)
    torch.save(content | {"extra": Payload()}, folder / "checkpoints" / "last.ckpt")
    for words in (["train", f"run={folder}", "steps=4"], ["sample", f"run={folder}", "device=cpu"]):
        assert main(words) == 2
        assert "is damaged or not a checkpoint of GenBench" in capsys.readouterr().err
    assert not Path("it_ran").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("genbench.logs.loggers.CSVTable", "os.system", "'os.system' is not trusted"),
        (
            "genbench.logs.loggers.CSVTable",
            "genbench.logs.loggers.CSVTable\n    save_dir: /etc",
            "leads out of the run folder",
        ),
        (
            "genbench.logs.loggers.CSVTable",
            "genbench.logs.loggers.CSVTable\n    save_dir: ../..",
            "leads out of the run folder",
        ),
    ],
)
def test_a_config_that_leads_outside_is_refused(
    train: Train, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str
) -> None:
    folder = train("steps=2", "callbacks.scores=null")
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace(old, new))
    assert main(["train", f"run={folder}", "steps=4"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["train", "sample", "evaluate"])
@pytest.mark.parametrize("part", ["data", "method", "metrics", "trainer", "logger.csv", "callbacks.grid", "sampler"])
def test_a_config_that_would_start_a_program_does_not(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str], part: str, verb: str
) -> None:
    """A class that takes these settings, so that nothing but the check keeps it from being called."""
    folder = train("steps=1", "callbacks.scores=null", "callbacks.nearest=null")
    trap = tmp_path / "trap"
    config = OmegaConf.load(folder / "config.yaml")
    OmegaConf.update(config, part, {"_target_": "subprocess.Popen", "args": ["touch", str(trap)]}, force_add=True)
    OmegaConf.save(config, folder / "config.yaml")
    settings = {"train": ["steps=2"], "sample": ["count=1", "device=cpu"], "evaluate": ["device=cpu"]}[verb]
    assert main([verb, f"run={folder}", *settings]) == 2
    assert "'subprocess.Popen' is not trusted" in capsys.readouterr().err
    time.sleep(0.05)
    assert not trap.exists()


def test_an_archive_that_climbs_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bedroom_train_lmdb.zip", "w") as archive:
        archive.writestr("../outside/data.mdb", b"")
    with pytest.raises(UserError, match="leads out of its folder"):
        open_zip(tmp_path / "bedroom_train_lmdb.zip")
