"""The verbs that start from a run folder, also from one that somebody else made."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from genbench.__main__ import main
from genbench.errors import UserError
from genbench.runs import check_trusted
from tests.conftest import Train


def pictures(folder: Path) -> list[np.ndarray]:
    return [np.asarray(Image.open(path)) for path in sorted((folder / "images").iterdir())]


def test_sample_writes_the_images_and_a_grid(train: Train, tmp_path: Path) -> None:
    folder = train("steps=3")
    assert main(["sample", f"run={folder}", "count=10", "seed=3"]) == 0
    out = folder / "samples" / "last_seed3"
    images = pictures(out)
    assert len(images) == 10
    assert images[0].shape == (8, 8)
    assert (out / "grid.png").is_file()
    # Fewer images are the first of more, wherever they are written.
    assert main(["sample", f"run={folder}", "count=4", "seed=3", f"out={tmp_path / 'few'}"]) == 0
    for one, two in zip(pictures(tmp_path / "few"), images, strict=False):
        np.testing.assert_array_equal(one, two)
    assert main(["sample", f"run={folder}", "count=4", "seed=4", f"out={tmp_path / 'other'}"]) == 0
    assert any((one != two).any() for one, two in zip(pictures(tmp_path / "other"), images, strict=False))


def test_evaluate_scores_as_the_training_did(train: Train) -> None:
    folder = train("steps=30")
    file = folder / "scores.json"
    trained = json.loads(file.read_text())
    file.unlink()
    assert main(["evaluate", f"run={folder}"]) == 0
    evaluated = json.loads(file.read_text())
    assert evaluated["values"] == pytest.approx(trained["values"])
    assert evaluated["protocol"] == trained["protocol"]
    assert (evaluated["checkpoint"], evaluated["step"]) == ("last", 30)


def test_a_moved_run_folder_is_as_good(train: Train, tmp_path: Path) -> None:
    moved = train("steps=3").rename(tmp_path / "moved")
    assert main(["evaluate", f"run={moved}", "count=20", "checkpoint=best"]) == 0
    assert main(["train", f"run={moved}", "steps=5"]) == 0
    assert torch.load(moved / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 5


@pytest.mark.parametrize("verb", ["sample", "evaluate"])
def test_a_missing_checkpoint_is_named_with_those_that_are_there(
    train: Train, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    folder = train("steps=3")
    assert main([verb, f"run={folder}", "checkpoint=lsat"]) == 2
    assert "no checkpoint 'lsat'; it has: best, last" in capsys.readouterr().err


class Payload:
    """Would write a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_a_checkpoint_runs_no_code(train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, trap = train("steps=3"), tmp_path / "trap"
    file = folder / "checkpoints" / "last.ckpt"
    torch.save({"state_dict": {}, "global_step": 3, "payload": Payload(trap)}, file)
    for command in (["sample", f"run={folder}"], ["evaluate", f"run={folder}"], ["train", f"run={folder}", "steps=9"]):
        assert main(command) == 2
        assert "damaged or not a checkpoint" in capsys.readouterr().err
    assert not trap.exists()


@pytest.mark.parametrize(
    "target",
    [
        "os.system", "subprocess.run", "builtins.eval", "torch.load", "torch.hub.load", "genbench.runs.write_json",
        "genbench.methods.gan.torch.load", "genbench.data.mnist.gzip.open", "genbench.methods.gan.Callable",
        "genbench.data.resize.resize", "genbench.methods.nothing.GAN", "torch.optim.swa_utils.update_bn",
        "genbench.methodsx.GAN", "", "GAN", 3, None, ["os.system"],
    ],
)  # fmt: skip
def test_a_saved_configuration_names_trusted_classes_alone(
    train: Train, capsys: pytest.CaptureFixture[str], target: object
) -> None:
    with pytest.raises(UserError, match="not trusted"):
        check_trusted({"method": {"deep": [{"_target_": target}]}}, "config.yaml")


def test_an_untrusted_run_folder_is_refused(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    folder = train("steps=3")
    file = folder / "config.yaml"
    config = yaml.safe_load(file.read_text())
    for poison in ({"_target_": "os.system", "command": "true"}, {"root": "${oc.env:HOME}"}):
        file.write_text(yaml.safe_dump(config | {"data": poison}))
        assert main(["evaluate", f"run={folder}"]) == 2
        assert "config.yaml" in capsys.readouterr().err
    file.write_text("!!python/object/apply:os.system [true]")
    assert main(["evaluate", f"run={folder}"]) == 2
    assert "can't be read" in capsys.readouterr().err
