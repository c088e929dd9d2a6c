"""`sample` is asked in words for what samples shall show, whatever kind of condition a run has."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genbench.__main__ import main
from tests.commands.test_denoising_family import NARROW

PLAIN = [
    "network.denoiser.attention=[4]",
    "metrics.count=10",
    "callbacks.scores=null",
    "sampler.steps=2",
    "steps=1",
    "trainer.accelerator=cpu",
]


def train(output: Path, experiment: str, *words: str) -> Path:
    name = experiment.partition("=")[2]
    assert main([experiment, *NARROW, *PLAIN, *words, f"output={output}", f"name={name}"]) == 0
    (run,) = (output / name).iterdir()
    return run


def drawn(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)) for path in sorted((folder / "images").iterdir())])


def refused(capsys: pytest.CaptureFixture[str], run: Path, *words: str) -> str:
    capsys.readouterr()
    assert main(["sample", f"run={run}", "device=cpu", "count=2", *words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_captions_come_from_a_prompt_or_a_file_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train(tmp_path, "experiment=ddpm_captioned_digits", "method.condition_dropout=0.1")
    kept = json.loads((run / "condition.json").read_text())["condition"]
    assert kept["_target_"] == "genbench.conditions.captions.Captions"
    assert {"seven", "white"} <= {*kept["words"]}
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("A seven on\u2028white\n\n  the digit two on a black background\n")
    words = ["sample", f"run={run}", "device=cpu"]
    assert main([*words, "count=4", f"prompts={prompts}", f"out={tmp_path / 'file'}"]) == 0
    assert main([*words, "count=4", "prompt=a seven on white", f"out={tmp_path / 'seven'}"]) == 0
    # Each line in turn.
    assert drawn(tmp_path / "file").shape == (4, 8, 8)
    np.testing.assert_array_equal(drawn(tmp_path / "file")[::2], drawn(tmp_path / "seven")[::2])
    with Image.open(tmp_path / "seven" / "grid.png") as grid:
        assert grid.height > 14
    for asked, message in (
        (["prompt=a severn on white"], "no caption has the word 'severn'; did you mean seven"),
        (["prompt=" + "a " * 40], "there is room for"),
        (["prompt=a, b = 'c'"], "no caption has the word"),
        (["label=7"], "label=7 has no effect"),
        (["attributes=Smiling"], "attributes=Smiling has no effect"),
        (["prompt=a seven", f"prompts={prompts}"], "give one of them"),
        ([f"prompts={tmp_path / 'none'}"], "can't be read"),
        (["sources=there"], "sources="),
    ):
        assert message in refused(capsys, run, *asked)
    # Of ten thousand bad lines the first is named, by its number and what is wrong with it.
    for line, said in (
        ("'a severn' = \"white\"", "line 3: 'a severn' = \"white\": no caption has the word"),
        ("seven " * 10_000, f"line 3: {'seven ' * 9}sev...: 'seven seven"),
    ):
        prompts.write_text("a seven on white\n\n" + f"{line}\n" * 10_000)
        message = refused(capsys, run, f"prompts={prompts}")
        assert f"prompts={prompts}, {said}" in message
        assert len(message) < 1000
    # Without words it is the empty caption, which the network knows by its training without conditions.
    capsys.readouterr()
    assert main([*words, "count=4", "prompt=", f"out={tmp_path / 'empty'}"]) == 0
    assert "the prompt is empty: images are drawn of no caption" in capsys.readouterr().err
    assert drawn(tmp_path / "empty").shape == (4, 8, 8)
    prompts.write_text("\n \n")
    assert "holds no line" in refused(capsys, run, f"prompts={prompts}")


def test_a_smaller_copy_is_enlarged_on_any_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train(tmp_path, "experiment=ddpm_superresolution_digits")
    kept = json.loads((run / "condition.json").read_text())["condition"]
    assert kept == {"_target_": "genbench.conditions.source_images.SourceImages", "shape": [1, 4, 4]}
    assert main(["sample", f"run={run}", "device=cpu", "count=3", f"out={tmp_path / 'large'}"]) == 0
    assert drawn(tmp_path / "large").shape == (3, 8, 8)
    small = tmp_path / "small"
    small.mkdir()
    for shade in (0, 200):
        Image.new("L", (4, 4), shade).save(small / f"{shade}.png")
    assert main(["sample", f"run={run}", "device=cpu", f"sources={small}", f"out={tmp_path / 'own'}"]) == 0
    assert drawn(tmp_path / "own").shape == (2, 8, 8)
    Image.new("L", (8, 8)).save(small / "0.png")
    Image.new("L", (8, 8)).save(small / "200.png")
    assert "(1, 4, 4)" in refused(capsys, run, f"sources={small}")
    assert "label=1 has no effect" in refused(capsys, run, "label=1")


def test_points_are_drawn_as_files_of_points(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "experiment=ddpm_toy_points",
        "network.denoiser.width=16",
        "data.count=60",
        "data.batch_size=16",
        "method.conditional=true",
    ]
    small = ["sampler.steps=2", "steps=2", "metrics.count=12", "trainer.accelerator=cpu", "callbacks.grid.count=4"]
    assert main([*words, *small, f"output={tmp_path}", "name=points"]) == 0
    (run,) = (tmp_path / "points").iterdir()
    assert any("mmd" in name for name in json.loads((run / "scores.json").read_text())["values"])
    assert (run / "samples" / "step_0000002.png").is_file()
    for label in ("square", "1", "circle"):
        out = tmp_path / f"of_{label}"
        assert main(["sample", f"run={run}", "device=cpu", "count=3", f"label={label}", f"out={out}"]) == 0
        assert (out / "grid.png").is_file()
    points = {label: np.load(tmp_path / f"of_{label}" / "images" / "000002.npy") for label in ("square", "1", "circle")}
    assert points["square"].shape == (24, 2)
    assert points["square"].dtype == np.float32
    np.testing.assert_array_equal(points["square"], points["1"])
    assert (points["square"] != points["circle"]).any()
    assert main(["evaluate", f"run={run}", "device=cpu"]) == 0
