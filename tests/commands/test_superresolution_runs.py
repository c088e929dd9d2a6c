"""Super-resolution from the command line: SR3 beside a regression and bicubic interpolation."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from genbench.__main__ import main
from genbench.images import save_image
from tests.commands.small_runs import TINY, UNET, run_of

SMALL = [*TINY, "data.size=16", *UNET, "schedule@method.schedule=constant"]
SR3 = ["method=sr3", *SMALL, "sampler.steps=2", "metrics=none"]


@pytest.fixture(scope="module")
def sr3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(tmp_path_factory.mktemp("sr3"), "sr3", *SR3, "steps=4")


def scores_of(run: Path, *words: str) -> dict[str, Any]:
    assert main(["evaluate", f"run={run}", "metrics=digits", "count=40", "metrics.scores=[fid,psnr]", *words]) == 0
    found: dict[str, Any] = json.loads((run / "scores.json").read_text())
    return found


def test_a_run_goes_on_to_the_bit(sr3: Path, tmp_path: Path) -> None:
    halved = run_of(tmp_path, "halved", *SR3, "steps=2")
    assert main(["train", f"run={halved}", "steps=4"]) == 0
    whole, resumed = (
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for run in (sr3, halved)
    )
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_somebodys_images_are_enlarged(sr3: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, side in (("small", 4), ("large", 5)):
        save_image(torch.full((1, side, side), 128, dtype=torch.uint8), tmp_path / name / "one.png")
    assert main(["sample", f"run={sr3}", f"sources={tmp_path / 'small'}", "count=2", f"out={tmp_path / 'out'}"]) == 0
    assert Image.open(tmp_path / "out" / "images" / "000000.png").size == (16, 16)
    assert main(["sample", f"run={sr3}", f"sources={tmp_path / 'large'}", "count=1", f"out={tmp_path / 'no'}"]) == 2
    assert "5" in capsys.readouterr().err


def test_they_are_scored_beside_each_other(sr3: Path, tmp_path: Path) -> None:
    words = ["method=regression", *SMALL, "metrics=none", "steps=2"]
    regression = run_of(tmp_path, "regression", *words)
    bicubic = run_of(tmp_path, "bicubic", "method=bicubic", *TINY, "data.size=16", "metrics=none", "steps=0")
    found = [scores_of(run) for run in (sr3, regression, bicubic)]
    for each in found:
        assert {"psnr", "ssim", "consistency", "fid_digits"} <= each["values"].keys()
    # Interpolation is near its source and near the image; two steps of training are near neither.
    assert found[2]["values"]["consistency"] < 0.01 < found[1]["values"]["consistency"]
    assert found[2]["values"]["psnr"] > found[1]["values"]["psnr"]
    assert found[2]["values"]["psnr"] > found[0]["values"]["psnr"]


def test_what_has_nothing_to_train_is_not_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*TINY, "data.size=16", "metrics=none", f"output={tmp_path}"]
    assert main(["method=bicubic", *words, "steps=5"]) == 2
    assert "nothing to train: set steps=0" in capsys.readouterr().err
    assert main(["method=bicubic", *words, "method.factor=3", "steps=0"]) == 2
    assert "can't be shrunk by a factor of 3" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]
