"""What is the same in every command on a machine: a file and variables, over which the command line wins."""

from pathlib import Path

import pytest

from genbench.__main__ import main
from genbench.config import as_overrides, check, compose_config
from genbench.config.site_settings import SITE_SETTINGS, launcher_overrides, site_file


def write_site(text: str) -> Path:
    file = site_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_the_file_is_where_the_desktop_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert site_file() == tmp_path / "genbench" / "config.yaml"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert site_file() == tmp_path / ".config" / "genbench" / "config.yaml"


def test_the_command_line_wins_over_a_variable_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_site("data.root: ~/from file\noutput: ~/runs\nlogger: {wandb: {entity: team}}\n")
    assert compose_config("train", ["data=mnist"]).data.root == str(tmp_path / "from file")
    # Of every verb, and written as a tree or not.
    assert compose_config("prepare", ["data=celeba"]).data.root == str(tmp_path / "from file")
    assert compose_config("train", ["logger=wandb"]).logger.wandb.entity == "team"
    assert compose_config("train", []).output == str(tmp_path / "runs")
    monkeypatch.setenv("GENBENCH_DATA", "~/from variable")
    assert compose_config("train", ["data=mnist"]).data.root == str(tmp_path / "from variable")
    said = as_overrides(["data=mnist", "data.root=/said", "output=/out"], multirun=False)
    config = compose_config("train", said)
    assert (config.data.root, config.output) == ("/said", "/out")


def test_what_a_command_has_no_use_for_is_left_out_of_it() -> None:
    write_site("data.root: /data\nhydra.launcher.partition: gpu\nentity: team\n")
    config = check("train", [])
    assert "root" not in config.data
    assert "entity" not in config
    assert compose_config("dashboard", []).entity == "team"
    assert launcher_overrides(["seed=0,1"]) == []
    assert launcher_overrides(["hydra/launcher=slurm"]) == ["hydra.launcher.partition=gpu"]
    assert launcher_overrides(["hydra/launcher=slurm", "hydra.launcher.partition=cpu"]) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data.rot: /x", "can't set 'data.rot'; did you mean data.root"),
        ("data: {root: [a, b]}", "data.root must be a text or a number"),
        ("- data.root", "must hold lines such as data.root"),
        ("data.root: [", "can't be read"),
        ("data.workers: many", "data.workers must be a whole number"),
    ],
)
def test_a_mistake_in_the_file_gets_one_message(text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_site(text)
    assert main(["--cfg", "data=celeba"]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.strip().splitlines()) == 1


def test_list_shows_what_is_set_and_where(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert str(site_file()) in said
    assert all(key in said for key in SITE_SETTINGS)
    file = write_site("output: /scratch/me\n")
    monkeypatch.setenv("GENBENCH_DATA", "/data")
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert f"/scratch/me  ({file})" in said
    assert "/data  ($GENBENCH_DATA)" in said
