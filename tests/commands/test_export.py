"""`export`: a run for others to use, with a model card."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from safetensors import safe_open

from genbench.__main__ import main
from genbench.runs.folder import RunFolder
from tests.commands.small_runs import TINY, run_of


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few steps with scores."""
    folder = run_of(tmp_path_factory.mktemp("runs"), "tiny", "method=gan", *TINY, "network=mlp", "steps=3")
    assert main(["evaluate", f"run={folder}", "count=64", "device=cpu"]) == 0
    return folder


def card_of(folder: Path) -> tuple[dict[str, object], str]:
    """Return the facts in front of a model card, and its text."""
    _, front, text = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(front), text


def images_of(folder: Path) -> list[np.ndarray]:
    assert main(["sample", f"run={folder}", "count=4", "seed=3", "device=cpu", f"out={folder}_drawn"]) == 0
    return [np.asarray(Image.open(path)) for path in sorted(Path(f"{folder}_drawn", "images").iterdir())]


def test_safetensors_are_a_run_that_draws_the_same(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "exported"
    assert main(["export", f"run={run}", f"path={out}", "licence=mit"]) == 0
    with safe_open(out / "weights.safetensors", "pt") as file:
        assert set(file.keys()) == set(RunFolder(run).load_checkpoint()["state_dict"])
    shutil.copytree(run, tmp_path / "run")
    assert all(map(np.array_equal, images_of(out), images_of(tmp_path / "run")))
    assert main(["evaluate", f"run={out}", "count=64", "device=cpu"]) == 0
    assert main(["report", f"runs={out}", f"out={tmp_path / 'page'}"]) == 0


def test_the_model_card_says_what_it_is_what_it_saw_and_how_good_it_is(run: Path, tmp_path: Path) -> None:
    assert main(["export", f"run={run}", f"path={tmp_path / 'x'}", "licence=cc-by-4.0"]) == 0
    front, text = card_of(tmp_path / "x")
    assert front == {"library_name": "genbench", "license": "cc-by-4.0", "tags": ["gan", "tiny"]}
    assert RunFolder(run).read_data()["sha256"] in text
    assert "3 of batches of 32" in text
    assert "64 samples against 1,442 images of digits train, by the digit classifier" in text
    assert "fid_digits" in text
    assert "cc-by-4.0" in text


def test_without_a_licence_the_card_says_so(run: Path, tmp_path: Path) -> None:
    assert main(["export", f"run={run}", f"path={tmp_path / 'x'}"]) == 0
    front, text = card_of(tmp_path / "x")
    assert "license" not in front
    assert "not stated" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["to=onnx"], "to=onnx: there is no such form"),
        (["checkpoint=best"], "has no checkpoint 'best'"),
        (["path=full"], "path=.*full is there already"),
        (["run=nowhere"], "run=.*nowhere is not a run folder"),
        (["path={run}/inside"], "lies within the run folder"),
    ],
)
def test_what_can_not_be_exported_is_said_and_leaves_nothing(
    run: Path, tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("full").mkdir()
    Path("full/notes").touch()
    given = {"run": str(run), "path": str(tmp_path / "x" / "y")} | dict(
        word.format(run=run).split("=") for word in words
    )
    assert main(["export", *(f"{key}={value}" for key, value in given.items())]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert re.search(said, line)
    assert not (tmp_path / "x").exists()
    assert [path.name for path in Path("full").iterdir()] == ["notes"]
