"""`evaluate`: scores stand beside those of other protocols, are of what was asked, and are not lost."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.__main__ import main
from genbench.commands import evaluate, scoreboard
from genbench.metrics.features import Extraction
from genbench.runs.score_file import read_scores

DIGITS = ["data=digits", "data.size=8", "metrics=digits", "device=cpu"]


def of(run: Path) -> list[tuple[Any, ...]]:
    """Return what tells the scores of a run from each other, the newest first."""
    return [(row["checkpoint"], row["step"], row["protocol"]["count"]) for row in read_scores(run / "scores.json")]


def score(run: Path, *words: str, status: int = 0) -> None:
    assert main(["evaluate", f"run={run}", "device=cpu", *words]) == status


def write_pictures(folder: Path, count: int, alike: bool = False) -> Path:
    folder.mkdir()
    pixels = torch.randint(0, 256, (count, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    for index in range(count):
        Image.fromarray(pixels[0 if alike else index].numpy()).save(folder / f"{index:03d}.png")
    return folder


def test_scores_of_other_protocols_stand_beside_the_old_ones(run: Path) -> None:
    trained = read_scores(run / "scores.json")[0]
    score(run, "count=40")
    score(run, "checkpoint=best")
    score(run, "count=40", "seed=5")
    assert of(run) == [("last", 4, 40), ("best", 4, 64), ("last", 4, 40), ("last", 4, 64)]
    # The same again takes the place of its own row alone.
    score(run, "count=40")
    assert of(run) == [("last", 4, 40), ("last", 4, 40), ("best", 4, 64), ("last", 4, 64)]
    kept = read_scores(run / "scores.json")
    assert [row["protocol"]["seed"] for row in kept] == [0, 5, 0, 0]
    assert kept[-1] == trained
    # Other scores under the same protocol join those that are there.
    score(run, "count=40", "metrics.scores=[moments]")
    assert {"fid_digits", "means_t_digits"} <= read_scores(run / "scores.json")[0]["values"].keys()
    assert len(of(run)) == 4


def test_scores_of_a_run_that_goes_on_do_not_replace_those_of_before(run: Path) -> None:
    assert main(["train", f"run={run}", "steps=6"]) == 0
    assert of(run) == [("last", 6, 64), ("last", 4, 64)]


@pytest.mark.parametrize("content", ["step,images\nx,1\n", "images\n1\n", "step,images\n2,1\n\0,3\n"])
def test_a_run_with_a_damaged_table_goes_on(run: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    (run / "metrics.csv").write_text(content)
    assert main(["train", f"run={run}", "steps=6"]) == 0
    assert f"it is kept as {run / 'metrics.damaged.csv'}" in capsys.readouterr().err
    assert (run / "metrics.damaged.csv").read_text() == content
    assert of(run)[0] == ("last", 6, 64)


def test_a_curve_stands_there_with_its_protocol(run: Path) -> None:
    score(run, "checkpoint=all", "count=30")
    assert of(run) == [("step_0000004", 4, 30), ("step_0000002", 2, 30), ("last", 4, 64)]


def test_a_file_of_an_earlier_version_is_read_and_kept(run: Path) -> None:
    """It held one set of scores, and no list."""
    file = run / "scores.json"
    old = json.loads(file.read_text())
    assert "others" not in old
    old["protocol"] |= {"count": 2000, "versions": {"genbench": "0.0.1"}}
    file.write_text(json.dumps(old))
    score(run, "count=50")
    assert read_scores(file)[1] == old
    # Under the same protocol by this version: all of it was made anew.
    old["protocol"]["count"] = 64
    file.write_text(json.dumps(old))
    score(run)
    assert len(read_scores(file)) == 1


@pytest.mark.parametrize("content", ['{"values": {"fid_digits": 1.0', "[]", '{"values": {}}', "\0\0\0", ""])
def test_a_damaged_file_is_told_and_kept(run: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    (run / "scores.json").write_text(content)
    score(run)
    said = capsys.readouterr().err
    assert "warning" in said
    assert f"it is kept as {run / 'scores.damaged.json'}" in said
    assert (run / "scores.damaged.json").read_text() == content
    assert of(run) == [("last", 4, 64)]


def test_comparisons_with_several_runs_stand_side_by_side(run: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(run, tmp_path / "other"))
    for against in (run, other, other):
        score(run, f"against={against}", "metrics.scores=[fid,by_class]")
    found = json.loads((run / "comparison.json").read_text())
    assert found["second"] == str(other)
    assert [row["second"] for row in found["others"]] == [str(run)]


def test_a_score_that_half_of_the_images_are_too_few_for_has_no_interval(run: Path) -> None:
    score(run, f"against={run}", "count=60", "metrics.scores=[fid,kid]", "+metrics.kid_subset_size=40")
    found = json.loads((run / "comparison.json").read_text())["scores"]
    assert found["kid_digits"]["interval"] is None
    assert found["fid_digits"]["interval"] == [0, 0]


def test_what_few_images_do_not_allow_is_left_out_and_told(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    score(run, "metrics=full", "metrics.count=40", "metrics.halves=0")
    said = capsys.readouterr().out.replace("\n", " ")
    assert "left out: kid: it takes at least 1,000 of each" in said
    assert "left out: fid_infinity: it takes at least 68 samples, and there are 40" in said
    row = read_scores(run / "scores.json")[0]
    assert {"fid_digits", "precision_digits", "mmd_digits"} <= row["values"].keys()
    assert set(row["left_out"]) == {"kid", "fid_infinity"}
    # What is asked for by name and can't be had is refused before an image is looked at.
    monkeypatch.setattr(Extraction, "add", lambda *arguments: pytest.fail("it looked"))
    score(run, "metrics=full", "metrics.count=40", "metrics.scores=[fid,kid]", "metrics.cache=null", status=2)
    assert "metrics.scores=kid: it takes at least 1,000 of each" in capsys.readouterr().err


def test_the_first_images_are_scored_as_many_as_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = write_pictures(tmp_path / "images", 30)
    first = write_pictures(tmp_path / "first", 20)
    assert main(["evaluate", f"images={images}", "count=20", *DIGITS]) == 0
    assert main(["evaluate", f"images={images}", *DIGITS]) == 0
    assert main(["evaluate", f"images={first}", *DIGITS]) == 0
    whole, some = read_scores(tmp_path / "images.scores.json")
    assert (whole["protocol"]["count"], some["protocol"]["count"]) == (30, 20)
    assert some["values"] == read_scores(tmp_path / "first.scores.json")[0]["values"]
    array = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 1), dtype=np.uint8)
    np.save(tmp_path / "array.npy", array)
    assert main(["evaluate", f"images={tmp_path / 'array.npy'}", "count=20", *DIGITS]) == 0
    capsys.readouterr()
    for words, message in (
        (["count=31"], f"count=31: images={images} holds 30"),
        (["seed=1"], "seed= has no effect on images="),
        (["guidance=2"], "guidance= has no effect on images="),
        (["checkpoint=best"], "checkpoint= has no effect on images="),
        (["metrics.count=20"], "metrics.count= has no effect on images="),
        (["likelihood=5"], "likelihood= has no effect on images="),
    ):
        assert main(["evaluate", f"images={images}", *DIGITS, *words]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("count", "alike", "message"),
    [
        (1, False, "scores take at least 10 images, and one image would be scored"),
        (7, False, "scores take at least 10 images, and 7 images would be scored"),
        (70, True, "all 70 images of the samples have the same features: it is one picture"),
    ],
)
def test_one_picture_gets_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int, alike: bool, message: str
) -> None:
    images = write_pictures(tmp_path / "images", count, alike)
    assert main(["evaluate", f"images={images}", *DIGITS]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "images.scores.json").exists()


def test_where_scores_can_not_be_written_is_known_before_the_work(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "notes.json").write_text('{"mine": 1}')
    monkeypatch.setattr(evaluate, "open_run", lambda config: pytest.fail("it opened the run"))
    for out, message in (
        (tmp_path / "file" / "scores.json", "can't be written"),
        (tmp_path, "is a folder: name a file"),
        (tmp_path / "notes.json", "is no file of scores"),
    ):
        score(run, f"out={out}", status=2)
        assert message in capsys.readouterr().err
    assert (tmp_path / "notes.json").read_text() == '{"mine": 1}'
    # As on a place that is read-only, which root does not know.
    monkeypatch.setattr("genbench.files.tempfile.TemporaryFile", refuse_to_write)
    score(run, status=2)
    assert "Read-only file system; name another place for the scores by out=FILE" in capsys.readouterr().err


def refuse_to_write(*arguments: Any, **settings: Any) -> None:
    raise OSError(30, "Read-only file system")


def test_scores_that_can_not_be_saved_are_printed(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scoreboard, "add_scores", refuse_to_write)
    score(run, status=2)
    said = capsys.readouterr()
    assert "fid_digits" in said.out
    assert "the scores above could not be saved" in said.err
    monkeypatch.undo()
    out = run.parent / "new" / "scores.json"
    score(run, f"out={out}")
    assert len(read_scores(out)) == 1


def test_how_far_it_is_is_shown(run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(evaluate, "QUIET", 0.0)
    score(run, "count=128", "metrics.cache=null")
    said = capsys.readouterr().err
    assert "digits train: 1,442 of 1,442" in said
    assert "samples: 64 of 128" in said
