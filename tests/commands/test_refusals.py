"""What has no effect, or would replace or mix what is there, is refused in one line, and the run stays as it was."""

import hashlib
import os
from pathlib import Path

import pytest
import yaml
from PIL import Image

from genbench.__main__ import main
from tests.conftest import SMALL


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an unconditional run of ten steps."""
    output = tmp_path_factory.mktemp("refusals")
    words = ["experiment=gan_digits", "network=mlp", "network.generator.hidden=[8]", "network.discriminator.hidden=[8]"]
    small = [word for word in SMALL if not word.startswith("metrics.")]
    assert main(["train", *words, *small, "steps=10", "metrics=none", f"output={output}", "name=run"]) == 0
    (folder,) = (output / "run").iterdir()
    return folder


def content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "steps=31.5"], "could not be converted to Integer"),
        (["train", "steps=1e9"], "could not be converted to Integer"),
        (["train", "steps=true"], "could not be converted to Integer"),
        (["train", "steps=null"], "not Optional"),
        (["train", "steps=12", "stepsize=3"], "there is no key 'stepsize'"),
        (["train", "steps=12", "logger.foo=bar"], "logger.foo=bar has no effect"),
        (["sample", "out={run}"], "neither empty nor a set of `sample`"),
        (["sample", "checkpoint=../checkpoints/last"], "has no checkpoint"),
        (["sample", "label=3"], "label=3 has no effect"),
        (["sample", "prompt=a, b = 'c'"], "prompt=a, b = 'c' has no effect"),
        (["evaluate", "metrics=digits", "data.seed=5"], "data.seed= has no effect"),
        (["evaluate", "metrics=digits", "metrics.count=60", "count=80"], "say the same"),
        (["evaluate", "metrics=digits", "against={run}", "out={run}/manifest.json"], "is no file of comparisons"),
        (["evaluate", "metrics=digits", "out={run}/config.yaml"], "is no file of scores"),
    ],
)
def test_a_refusal_leaves_the_run_as_it_was(
    run: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    before = content(run)
    verb, *others = (word.format(run=run) for word in words)
    assert main([verb, f"run={run}", *others]) == 2
    assert message in capsys.readouterr().err
    assert content(run) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-m", "report", "runs=a,b"], "leave out -m"),
        (["data=digits", "~steps"], "train can't do without steps"),
        (["data=digits", "~network"], "train can't do without network"),
        (["evaluate", "images=a", "data=digits", "metrics=none"], "leaves nothing to do"),
        (["evaluate", "images=a", "data=digits", "data.batch_size=7"], "data.batch_size= has no effect"),
    ],
)
def test_what_can_have_no_effect_is_refused(capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert main(words) == 2
    assert message in capsys.readouterr().err
    assert not os.listdir()


def test_a_set_of_samples_is_scored_by_its_own_folder(run: Path, tmp_path: Path) -> None:
    """Beside its images lies a picture of them all."""
    assert main(["sample", f"run={run}", "count=12", f"out={tmp_path / 'set'}", "device=cpu"]) == 0
    words = [f"images={tmp_path / 'set'}", "data=digits", "data.size=8", "metrics=digits", "device=cpu"]
    assert main(["evaluate", *words]) == 0
    assert (tmp_path / "set.scores.json").is_file()


def test_sources_are_named_by_their_own_key(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", f"run={run}", "sources=nowhere"]) == 2
    assert "images=" not in capsys.readouterr().err


def test_a_sweep_of_a_run_goes_on_with_it(run: Path) -> None:
    assert main(["-m", "train", f"run={run}", "steps=11,12"]) == 0
    assert yaml.safe_load((run / "config.yaml").read_text())["steps"] == 12


def test_epochs_that_are_over_are_said_before_lightning_does(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # 1,442 digits in batches of 32 are 45 steps an epoch.
    assert main(["train", f"run={run}", "steps=100"]) == 0
    assert main(["train", f"run={run}", "steps=200", "trainer.max_epochs=1"]) == 2
    assert "trainer.max_epochs=1 epochs already" in capsys.readouterr().err
    assert not (run / "error.txt").exists()


def test_folders_without_images_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
    for index in range(4):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(tmp_path / "images" / "cat" / f"{index}.png")
    words = ["prepare", "data=image_folder", f"data.root={tmp_path / 'images'}", "data.size=8"]
    assert main(words) == 0
    assert "these folders contain no images: dog" in capsys.readouterr().err
    (tmp_path / "images" / "bird").symlink_to(tmp_path / "gone")
    assert main(words) == 2
    assert "is a broken link" in capsys.readouterr().err
