"""The verbs that start from a run folder, also from one that somebody else made."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from genbench.__main__ import main
from genbench.errors import UserError
from genbench.runs.folder import check_trusted
from tests.conftest import Train
from tests.warm import start_together


def pictures(folder: Path) -> list[np.ndarray]:
    return [np.asarray(Image.open(path)) for path in sorted((folder / "images").iterdir())]


def test_sample_writes_the_images_and_a_grid(train: Train, tmp_path: Path) -> None:
    folder = train("steps=3")
    assert main(["sample", f"run={folder}", "count=10", "seed=3"]) == 0
    out = folder / "samples" / "last_step3_seed3"
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
        "os.system", "subprocess.run", "builtins.eval", "torch.load", "torch.hub.load",
        "genbench.runs.folder.write_json",
        "genbench.methods.adversarial.gan.torch.load",
        "genbench.data.mnist.gzip.open", "genbench.methods.adversarial.gan.Callable",
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


def test_evaluate_everything_that_suits(train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = train("steps=3", "callbacks.checkpoints.keep=1")
    full = ["metrics=full", "metrics.count=200", "metrics.kid_subset_size=50", "metrics.kid_subsets=5", "device=cpu"]
    assert main(["evaluate", f"run={run}", *full]) == 0
    written = json.loads((run / "scores.json").read_text())
    for name in ("fid", "is", "kid", "precision", "density", "fid_infinity", "classes", "means_p", "mmd_p", "c2st"):
        assert f"{name}_digits" in written["values"], name
    assert written["values"]["fid_digits_std"] > 0
    assert written["protocol"]["extractor"] == "digit classifier"
    assert len(list((tmp_path / "data" / "references").glob("digits-train-*.safetensors"))) == 1

    assert main(["evaluate", f"run={run}", "checkpoint=all", "device=cpu"]) == 0
    rows = list(csv.DictReader((run / "scores_by_step.csv").open()))
    assert [row["step"] for row in rows] == ["1", "2", "3"]
    assert float(rows[-1]["fid_digits"]) == pytest.approx(score_of(run), rel=1e-6)


def score_of(run: Path) -> float:
    assert main(["evaluate", f"run={run}", "device=cpu"]) == 0
    value: float = json.loads((run / "scores.json").read_text())["values"]["fid_digits"]
    return value


def test_two_runs_are_compared_on_the_same_noise(train: Train) -> None:
    first, second = train("steps=2", name="first"), train("steps=4", "seed=1", name="second")
    assert main(["evaluate", f"run={first}", f"against={second}", "device=cpu"]) == 0
    found = json.loads((first / "comparison.json").read_text())["scores"]["fid_digits"]
    assert found["first"] == pytest.approx(score_of(first), rel=1e-6)
    assert found["second"] == pytest.approx(score_of(second), rel=1e-6)
    assert found["difference"] == pytest.approx(found["first"] - found["second"])
    assert found["interval"][0] < found["difference"] < found["interval"][1]
    assert main(["evaluate", f"run={first}", f"against={first}", "device=cpu"]) == 0
    same = json.loads((first / "comparison.json").read_text())["scores"]["fid_digits"]
    assert (same["difference"], same["interval"]) == (0, [0, 0])


def test_somebodys_samples_are_scored(train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train("steps=2", "metrics.count=64")
    assert main(["sample", f"run={run}", "count=64", f"out={tmp_path / 'theirs'}", "device=cpu"]) == 0
    images = tmp_path / "theirs" / "images"
    settings = ["data=digits", "data.size=8", "metrics=digits", "device=cpu"]
    assert main(["evaluate", f"images={images}", *settings]) == 0
    written = json.loads((tmp_path / "theirs" / "images.scores.json").read_text())
    assert written["values"]["fid_digits"] == pytest.approx(score_of(run), rel=1e-5)
    assert written["protocol"]["reference"] == "digits"
    capsys.readouterr()
    for words, message in [
        ([], "evaluate needs either run=FOLDER, or images=PATH"),
        ([f"run={run}", f"images={images}"], "evaluate needs either"),
        ([f"images={images}"], "needs the data set to compare with"),
        ([f"images={tmp_path / 'none'}", *settings], "neither a folder nor a file"),
        ([f"run={run}", "metrics.scores=[fidd]"], "there is no score 'fidd'; did you mean fid"),
        (
            [f"run={run}", "metrics.extractor=vgg"],
            "metrics.extractor must be one of auto, clip, colours, coordinates, digits, dinov2, inception",
        ),
        ([f"run={run}", "data.size=16"], "data.size can't change for a run"),
        ([f"run={run}", "checkpoint=all"], "train with callbacks.checkpoints.keep=N"),
    ]:
        assert main(["evaluate", *words]) == 2
        assert message in capsys.readouterr().err


def test_two_processes_evaluate_together(train: Train, free_port: int) -> None:
    run = train("steps=2")
    alone = score_of(run)
    (run / "scores.json").unlink()
    processes = start_together(["-m", "genbench", "evaluate", f"run={run}", "device=cpu"], 2, free_port)
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    together = json.loads((run / "scores.json").read_text())["values"]["fid_digits"]
    assert together == pytest.approx(alone, rel=1e-6)


def test_a_conditional_method_draws_and_is_scored_by_class(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train("method=cgan", "method.embedding_dim=4", "steps=3", "callbacks.checkpoints.keep=3")
    assert main(["sample", f"run={run}", "count=12", "device=cpu"]) == 0
    assert main(["sample", f"run={run}", "count=12", "label=2", f"out={tmp_path / 'twos'}", "device=cpu"]) == 0
    every, twos = pictures(run / "samples" / "last_step3_seed0"), pictures(tmp_path / "twos")
    same = [bool((one == two).all()) for one, two in zip(every, twos, strict=True)]
    assert [index for index, equal in enumerate(same) if equal] == [2]
    assert main(["evaluate", f"run={run}", "metrics.scores=[fid,by_class]", "metrics.count=200", "device=cpu"]) == 0
    written = json.loads((run / "scores.json").read_text())
    assert written["protocol"]["conditions"] == "in the training images' proportions"
    assert 0 <= written["values"]["cas_linear_digits"] <= 1
    capsys.readouterr()
    assert main(["sample", f"run={run}", "label=10"]) == 2
    assert "label=10: there are classes 0 to 9" in capsys.readouterr().err
    assert main(["sample", f"run={train('steps=1', name='plain')}", "label=1"]) == 2
    assert "label=1 has no effect" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["wgan", "wgan_gp"])
def test_critics_train_and_go_on(train: Train, method: str) -> None:
    settings = [f"method={method}", "method.discriminator_steps=2"]
    run = train(*settings, "steps=4", *(["method.long_first=0", "method.long_steps=2"] if method == "wgan" else []))
    assert main(["train", f"run={run}", "steps=6"]) == 0
    assert score_of(run) > 0
