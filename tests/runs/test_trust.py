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
from genbench.runs.trust import check_trusted
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


@pytest.mark.parametrize("verb", ["train", "sample", "edit", "evaluate"])
def test_a_config_that_would_start_a_program_does_not(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    """A class that takes these settings, so that nothing but the check keeps it from being called."""
    folder = train("steps=1", "callbacks.scores=null", "callbacks.nearest=null")
    trap = tmp_path / "trap"
    saved = (folder / "config.yaml").read_text()
    settings = {
        "train": ["steps=2"], "sample": ["count=1", "device=cpu"], "evaluate": ["device=cpu"],
        "edit": ["editor=interpolate", "count=1", "device=cpu"],
    }[verb]  # fmt: skip
    for part in ("data", "method", "metrics", "trainer", "logger.csv", "callbacks.grid", "sampler"):
        config = OmegaConf.create(saved)
        OmegaConf.update(config, part, {"_target_": "subprocess.Popen", "args": ["touch", str(trap)]}, force_add=True)
        OmegaConf.save(config, folder / "config.yaml")
        assert main([verb, f"run={folder}", *settings]) == 2
        assert "'subprocess.Popen' is not trusted" in capsys.readouterr().err
    time.sleep(0.05)
    assert not trap.exists()


@pytest.mark.parametrize(
    "name",
    [
        "genbench.methods.adversarial.gan.GAN", "genbench.networks.mlp.MLPGenerator",
        "genbench.diffusion.processes.Process",
        "genbench.diffusion.samplers.ddim", "genbench.data.digits.Digits", "genbench.metrics.evaluator.Evaluator",
        "genbench.callbacks.clock.Clock", "genbench.editing.inpaint.Inpaint", "genbench.logs.loggers.CSVTable",
        "torch.optim.Adam", "torch.nn.Linear",
        "lightning.pytorch.trainer.Trainer", "lightning.pytorch.loggers.TensorBoardLogger",
    ],
)  # fmt: skip
def test_what_a_saved_configuration_may_name(name: str) -> None:
    check_trusted({"a": [{"b": {"_target_": name, "size": 3, "text": "x/y"}}]}, "config.yaml")


@pytest.mark.parametrize(
    "name",
    [
        "subprocess.Popen", "os.system", "torch.load", "genbench", "genbench.runs.folder.RunFolder",
        "torch.optimal.Adam",
        # What a trusted module imports is not its own, and a function is no class.
        "genbench.methods.adversarial.gan.torch.load", "genbench.methods.adversarial.gan.torch",
        "genbench.data.base.Path",
        "genbench.methods.denoising.quarters.by_quarter", "genbench.diffusion.guidance.classifier_guided",
        "genbench.diffusion.samplers.torch", "genbench.diffusion.samplers.LEVEL",
        # What isn't there, and what is no name.
        "genbench.methods.adversarial.gan.Nothing", "genbench.methods.nothing.GAN", "genbench.methods",
        3, None, ["torch.nn.GRU"],
    ],
)  # fmt: skip
def test_what_it_may_not(name: Any) -> None:
    for config in ({"_target_": name}, {"a": {"b": [{"c": {"_target_": name}}]}}, [{"_target_": name}]):
        with pytest.raises(UserError, match=r"^config\.yaml: _target_ .* is not trusted: it may only name classes of"):
            check_trusted(config, "config.yaml")


def test_it_must_not_refer_to_its_surroundings() -> None:
    for config in ({"name": "${oc.env:HOME}"}, {"a": [{"b": "x/${c}"}]}):
        with pytest.raises(UserError, match=r"must not refer to anything by \$\{\.\.\.\}, as '.*\$\{"):
            check_trusted(config, "config.yaml")
    check_trusted({"name": "costs $5 {really}"}, "config.yaml")


@pytest.mark.parametrize("part", ["trainer", "logger", "callbacks"])
@pytest.mark.parametrize("path", ["/etc/cron.d", "../other", "a/../../b", "~/x"])
def test_what_writes_files_may_not_lead_out(part: str, path: str) -> None:
    for inside in ({"dir": path}, {"deep": {"dirs": ["here", path]}}):
        with pytest.raises(UserError, match=f"^config.yaml: {part}.*='{path}' leads out of the run folder"):
            check_trusted({part: inside}, "config.yaml")
    # What reads files may read any, an evaluator's weights and cache among them.
    check_trusted({"data": {"root": path}, part: {"scores": {"evaluator": {"weights": path}}, "dir": "in/here"}}, "c")


def test_an_archive_that_climbs_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bedroom_train_lmdb.zip", "w") as archive:
        archive.writestr("../outside/data.mdb", b"")
    with pytest.raises(UserError, match="leads out of its folder"):
        open_zip(tmp_path / "bedroom_train_lmdb.zip")
