"""`train run=FOLDER`: what may change of a run, answered from its own configuration."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from genbench.__main__ import main
from genbench.commands.place import settings_hash
from genbench.config import as_overrides, check
from genbench.errors import UserError
from tests.commands.test_train import last_checkpoint
from tests.conftest import NETWORKS, SMALL

CommandLine = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def ddpm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of DDPM, in a folder whose name a shell and Hydra would take apart."""
    output = tmp_path_factory.mktemp("o ü,[x]=$y")
    small = ["network.denoiser.width=32", "data.size=8", "data.batch_size=8", "trainer.accelerator=cpu"]
    assert main(["debug=true", "method=ddpm", *small, "callbacks.grid=null", "callbacks.nearest=null",
                 "steps=2", "callbacks.checkpoints.every=2", f"output={output}"]) == 0  # fmt: skip
    (folder,) = (output / "debug").iterdir()
    return folder


def reopened(run: Path, *words: str) -> object:
    return check("train", as_overrides([f"run={run}", *words], multirun=False))


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("method.optimizer.lr=1", "method.optimizer.lr can't change when a run goes on"),
        (
            "method.optimizer.lrr=1",
            "no key 'method.optimizer.lrr' in the run's configuration; did you mean method.optim",
        ),
        ("method.latent_dim=3", "there is no key 'method.latent_dim' in the run's configuration"),
        ("method=gan", "method can't change"),
        ("logger=wandbb", "logger=wandbb names no file of conf/logger"),
        ("trainer.max_tim=1", "there is no key 'trainer.max_tim' in the run's configuration"),
        ("trainer.accumulate_grad_batches=2", "has no effect here"),
        ("logger.wandb.project=x", "there is no key 'logger.wandb.project' in the run's configuration"),
        ("+foo=1", "there is no key 'foo'"),
        ("steps=0", "steps must be at least 1"),
    ],
)
def test_the_runs_own_configuration_answers(ddpm: Path, word: str, message: str) -> None:
    before = (ddpm / "config.yaml").read_bytes()
    with pytest.raises(UserError) as refused:
        reopened(ddpm, word)
    assert message in str(refused.value)
    assert (ddpm / "config.yaml").read_bytes() == before


def test_where_it_runs_and_what_is_logged_may_change(ddpm: Path) -> None:
    config = reopened(ddpm, "trainer=ddp", "trainer.devices=2", "logger=wandb_offline", "trainer.max_time=00:01:00:00")
    assert (config.trainer.devices, config.trainer.strategy) == (2, "ddp_find_unused_parameters_true")
    # All else of the trainer is the run's.
    assert (config.trainer.log_every_n_steps, config.trainer.max_time) == (1, "00:01:00:00")
    assert (config.logger.wandb.offline, config.logger.wandb.name) == (True, "debug-seed0")
    assert config.trainer.accelerator == "auto"


def test_a_run_goes_on_by_the_words_that_are_printed(ddpm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["train", f"run={ddpm}", "steps=4", "trainer.limit_train_batches=100", "trainer.log_every_n_steps=2"]) == 0
    )
    assert last_checkpoint(ddpm)["global_step"] == 4
    assert f"sample 'run={ddpm}'" in capsys.readouterr().out
    assert yaml.safe_load((ddpm / "config.yaml").read_text())["run"] is None
    assert main(["sample", f"run={ddpm}", "count=2", "sampler.steps=2", "sampler=ddim", "device=cpu"]) == 0


@pytest.mark.parametrize("keys", [["name"], ["name", "seed", "steps"], ["name", "seed", "steps", "data", "method"]])
def test_a_configuration_that_is_cut_short_gets_one_message(
    ddpm: Path, tmp_path: Path, keys: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ddpm, copy)
    content = yaml.safe_load((copy / "config.yaml").read_text())
    (copy / "config.yaml").write_text(yaml.safe_dump({key: content[key] for key in keys}))
    for verb in ("train", "sample", "evaluate"):
        assert main([verb, f"run={copy}"]) == 2
        said = capsys.readouterr().err
        assert "config.yaml is cut short" in said
        assert len(said.strip().splitlines()) == 1


def test_a_gan_begun_on_one_device_goes_on_with_two(
    command_line: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    small = [*NETWORKS["mlp"], *SMALL, "callbacks.grid=null", "callbacks.nearest=null", "callbacks.scores=null"]
    assert main(["experiment=gan_digits", *small, "steps=2", f"output={tmp_path}", "name=a b"]) == 0
    (folder,) = (tmp_path / "a b").iterdir()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("MASTER_PORT", str(free_port))
    more = command_line(
        "train", f"run={folder}", "steps=4", "trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu"
    )
    assert more.returncode == 0, more.stderr
    assert last_checkpoint(folder)["global_step"] == 4


def test_a_sweep_finds_its_runs_from_every_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        hashes.add(settings_hash(check("train", ["data=mnist", "sweep=s"]), "the same"))
    assert len(hashes) == 1
    assert settings_hash(check("train", ["data=mnist", "sweep=s", "seed=1"]), "the same") not in hashes
    assert settings_hash(check("train", ["data=mnist", "sweep=s"]), "other images") not in hashes
