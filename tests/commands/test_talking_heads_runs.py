"""Talking heads from the command line: from key points to an animated portrait, and its scores."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from genbench.__main__ import main
from tests.commands.small_runs import run_of, weights_of
from tests.commands.test_train import assert_same, last_checkpoint

CommandLine = Callable[..., subprocess.CompletedProcess[str]]

SMALL = [
    "data.size=16", "data.channels=1", "data.shots=2", "data.test_every=3", "data.batch_size=4", "data.workers=1",
    "trainer.accelerator=cpu", "callbacks.grid.count=4", "callbacks.nearest=null",
]  # fmt: skip
KEYPOINTS = ["experiment=keypoints_faces", "network.autoencoder.width=4", "network.autoencoder.depth=2"]
HEADS = [
    "experiment=talking_heads_faces", "network.generator.width=4", "network.generator.most=8",
    "network.generator.halvings=2", "network.generator.blocks=1", "network.discriminator.width=4",
    "network.discriminator.most=8",
]  # fmt: skip


def draw_people(root: Path, people: int = 6, frames: int = 4) -> Path:
    """Write frames of another size than the runs': heads of one grey a person, wherever they are."""
    generator = np.random.default_rng(0)
    for person in range(people):
        folder = root / f"s{person + 1}"
        folder.mkdir(parents=True)
        for frame in range(frames):
            picture = Image.new("L", (20, 24), 10)
            x, y = generator.integers(2, 8, 2)
            ImageDraw.Draw(picture).ellipse([x, y, x + 10, y + 12], fill=60 + 30 * person)
            picture.save(folder / f"{frame + 1}.pgm")
    return root


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_people(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def words(people: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the settings of all runs here: small ones of these people."""
    return [*SMALL, f"data.root={people}", f"data.prepared={tmp_path_factory.mktemp('prepared')}"]


@pytest.fixture(scope="module")
def keypoints(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(tmp_path_factory.mktemp("keypoints"), "keypoints", *KEYPOINTS, *words, "steps=6")


@pytest.fixture(scope="module")
def heads(words: list[str], keypoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heads")
    return run_of(folder, "heads", *HEADS, *words, f"parts.keypoints={keypoints}", "steps=6")


def files(folder: Path) -> dict[str, bytes]:
    """Return all files beneath a folder but the manifest, which says when it was, and the settings, which say where."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if path.suffix in (".png", ".gif")}


def test_runs_are_resumed_to_the_bit(words: list[str], keypoints: Path, heads: Path, tmp_path: Path) -> None:
    parted = run_of(tmp_path, "keypoints", *KEYPOINTS, *words, "steps=2")
    assert main(["train", f"run={parted}", "steps=6"]) == 0
    one, two = weights_of(keypoints), weights_of(parted)
    assert all(torch.equal(one[name], two[name]) for name in one)
    # After an odd step the generator's turn is next.
    parted = run_of(tmp_path, "heads", *HEADS, *words, f"parts.keypoints={keypoints}", "steps=3")
    assert main(["train", f"run={parted}", "steps=6"]) == 0
    whole, resumed = last_checkpoint(heads), last_checkpoint(parted)
    for part in ("state_dict", "optimizer_states"):
        assert_same(whole[part], resumed[part], part)
    # The part is none of its weights, and W has a row for each person.
    assert not any("keypoints" in name for name in whole["state_dict"])
    assert whole["state_dict"]["discriminator.people.weight"].shape == (6, 8)


def test_rows_of_held_out_people_are_never_trained(heads: Path) -> None:
    moments = last_checkpoint(heads)["optimizer_states"][0]["state"]
    (rows,) = [each["exp_avg"] for each in moments.values() if each["exp_avg"].shape == (6, 8)]
    trained = rows.abs().sum(1) > 0
    assert not trained[[2, 5]].any()
    assert trained.sum() >= 3


def test_two_processes_train_them(
    words: list[str], keypoints: Path, command_line: CommandLine, tmp_path: Path, free_port: int
) -> None:
    for name, own in (("k", KEYPOINTS), ("h", [*HEADS, f"parts.keypoints={keypoints}"])):
        done = command_line(
            *own, *words, "steps=2", f"output={tmp_path}", f"name={name}", "trainer=ddp", "trainer.devices=2",
            env={**os.environ, "OMP_NUM_THREADS": "1", "MASTER_PORT": str(free_port)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (run,) = (tmp_path / name).iterdir()
        checkpoint = last_checkpoint(run)
        assert checkpoint["global_step"] == 2
        tensors = checkpoint["state_dict"].values()
        assert all(value.isfinite().all() for value in tensors if value.is_floating_point())


def test_a_portrait_is_animated(
    heads: Path, people: Path, keypoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["edit", "editor=animate", f"run={heads}", f"driver={people / 's6'}", "device=cpu", "editor.pictures=3"]
    one = [*words, f"images={people / 's3' / '1.pgm'}", "editor.finetune_steps=2"]
    for name in ("one", "again"):
        assert main([*one, f"out={tmp_path / name}"]) == 0
    assert files(tmp_path / "one") == files(tmp_path / "again")
    with Image.open(tmp_path / "one" / "pictures" / "00000.png") as strip:
        assert strip.size == (3 * 16, 2 * 16)
    with Image.open(tmp_path / "one" / "animation.gif") as animation:
        assert animation.n_frames == 4
    assert len(list((tmp_path / "one" / "intermediate" / "00000").iterdir())) == 4
    scores = json.loads((tmp_path / "one" / "scores.json").read_text())["values"]
    assert {*scores} == {"pose_error", "shots_l1"}
    assert len(scores["pose_error"][0]) == 4
    # Without out= other people and other drivers have folders of their own.
    for given in (["images=s3"], ["images=s4"], ["images=s3", "driver=s1"], ["images=s3", "editor.motion=relative"]):
        named = [f"{key}={people / value}" for key, value in (word.split("=") for word in given) if "." not in key]
        assert main([*words, *named, *(word for word in given if "." in word.split("=")[0])]) == 0
    assert len(list((heads / "edits").iterdir())) == 4
    capsys.readouterr()
    for given, message in (
        ([f"images={people / 's3'}", "driver=null"], "driver=..., a folder"),
        ([], "needs images=..."),
        ([f"images={tmp_path / 'none.png'}"], "none.png"),
        ([f"images={people / 's3'}", "editor.pictures=0"], "pictures must be at least 1"),
        ([f"images={people / 's3'}", "mask=left"], "takes images= and driver="),
        ([f"images={people / 's3'}", f"run={keypoints}"], "lacks the ability to draw a person"),
    ):
        assert main([*words, *given]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1


def test_identity_is_scored_beside_that_of_real_frames(
    heads: Path, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [word for word in words if "shots" not in word and "test_every" not in word]
    classifier = run_of(
        tmp_path, "faces", "method=noisy_classifier", "data=image_folder", "metrics=none",
        "network.classifier.width=8", *own, "steps=30", "callbacks.grid=null",
    )  # fmt: skip
    capsys.readouterr()
    evaluate = ["evaluate", f"run={heads}", "metrics=full", "metrics.count=16", "device=cpu"]
    named = [f"metrics.extractor=run:{classifier}", "metrics.scores=[identity,ssim]", "metrics.cache=null"]
    assert main([*evaluate, *named]) == 0
    found = json.loads((heads / "scores.json").read_text())
    figures = {name.partition("_noisy_classifier")[0]: value for name, value in found["values"].items()}
    assert {"identity", "identity_same", "identity_other", "ssim"} <= {*figures}
    assert figures["identity_same"] > figures["identity_other"]
    assert found["protocol"]["translation_split"] == "test"
    # The editor compares faces by the same run.
    people = next(Path(word.partition("=")[2]) for word in words if word.startswith("data.root="))
    edit = ["edit", "editor=animate", f"run={heads}", f"images={people / 's3'}", f"driver={people / 's6'}"]
    assert main([*edit, f"parts.identity={classifier}", "device=cpu", f"out={tmp_path / 'out'}"]) == 0
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())["values"]
    assert {*scores} == {"pose_error", "shots_l1", "identity", "identity_driver"}


def test_held_out_frames_are_drawn_and_scored(heads: Path, tmp_path: Path) -> None:
    assert main(["sample", f"run={heads}", "count=4", "device=cpu", f"out={tmp_path / 'drawn'}"]) == 0
    with Image.open(tmp_path / "drawn" / "grid.png") as grid:
        assert grid.width > 0
    assert len(list((tmp_path / "drawn" / "images").iterdir())) == 4
