"""The workspace on W&B, written to a file, and the sweep files of its tuner."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from genbench.__main__ import main
from genbench.commands.assembly import build_data, build_method
from genbench.config import check, compose_config
from genbench.logs.vocabulary import SECTIONS
from tests.logs.test_wandb_run import without_a_key  # noqa: F401

TUNING = sorted((Path(__file__).parents[2] / "experiments" / "tuning").glob("*.yaml"))


def test_without_a_key_the_workspace_is_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "")
    assert main(["dashboard", "entity=team", "project=bench"]) == 0
    assert "wandb login" in capsys.readouterr().out
    assert json.loads(Path("dashboard.json").read_text())["entity"] == "team"


def test_every_section_of_the_vocabulary_has_panels(tmp_path: Path) -> None:
    file = tmp_path / "to" / "workspace.json"
    assert main(["dashboard", "entity=team", "project=bench", f"out={file}"]) == 0
    view = json.loads(file.read_text())
    assert (view["entity"], view["project"]) == ("team", "bench")
    sections = {part["name"]: part["panels"] for part in view["spec"]["section"]["panelBankConfig"]["sections"]}
    assert {*SECTIONS, "leaderboard", "trilemma"} == set(sections)
    assert all(sections.values())
    kinds = {name: {panel["viewType"] for panel in panels} for name, panels in sections.items()}
    assert kinds["samples"] == {"Media Browser"}
    assert kinds["trilemma"] == {"Scatter Plot"}
    assert "Bar Chart" in kinds["leaderboard"]
    axes = {panel["config"].get("xAxis") for panel in sections["score"]}
    assert {"images", "seconds"} < axes


def values_of(parameter: dict[str, Any]) -> list[Any]:
    if "values" in parameter:
        return list(parameter["values"])
    return [parameter["value"]] if "value" in parameter else [parameter["min"], parameter["max"]]


@pytest.mark.parametrize("file", TUNING, ids=lambda file: file.stem)
def test_a_tuner_may_choose_every_value(file: Path) -> None:
    sweep = yaml.safe_load(file.read_text())
    (experiment,) = [word for word in sweep["command"] if word.startswith("experiment=")]
    first = {key: values_of(parameter)[0] for key, parameter in sweep["parameters"].items()}
    for key, parameter in sweep["parameters"].items():
        for value in values_of(parameter):
            # As an agent of W&B writes them.
            overrides = [experiment, *(f"{name}={chosen}" for name, chosen in (first | {key: value}).items())]
            check("train", overrides, multirun=False)
            config = compose_config("train", overrides)
            build_method(config, build_data(config))
    monitor = config.callbacks.checkpoints.monitor.removeprefix("score/")
    assert sweep["metric"] == {"name": f"best/{monitor}_digits", "goal": "minimize"}
