"""`classify`: predictions, accuracy and retrieval with a CLIP run, and what is refused."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.__main__ import main
from genbench.commands.classify_inputs import read_captions
from genbench.config.folder import options
from genbench.data.digits import Digits
from genbench.errors import UserError
from genbench.figures.zero_shot import bars_beside
from genbench.intervals import wilson
from genbench.retrieval import ranks, recall, same_text
from tests.commands.small_runs import CLASSIFIER, run_of

CLIP = [
    "experiment=clip_captioned_digits", "data.size=8", "network.image_tower.width=8", "network.image_tower.levels=2",
    "network.text_tower.width=16", "network.text_tower.layers=1", "steps=40", "schedule.warmup_steps=5",
    "trainer.accelerator=cpu", "method.ema_decay=0.9",
]  # fmt: skip
TEMPLATE = "template=[a {} on white, the digit {} on a white background]"
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(tmp_path_factory.mktemp("runs"), "clip", *CLIP)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six digits, black on white; the first is a larger picture, the second a wide one."""
    folder = tmp_path_factory.mktemp("pictures")
    samples = 255 - Digits(8).store("test").samples[:6, 0]
    for index, pixels in enumerate(samples):
        image = Image.fromarray(pixels.numpy())
        image = image.resize({0: (40, 40), 1: (30, 8)}.get(index, (8, 8)))
        image.save(folder / f"{index}.png")
    return folder


def classify(run: Path, *words: str) -> int:
    return main(["classify", f"run={run}", "device=cpu", *words])


def rows(file: Path) -> list[dict[str, str]]:
    with file.open() as content:
        return list(csv.DictReader(content))


def test_labels_of_pictures_of_any_size(
    run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = [f"images={pictures}", "labels=[one,two,three,four,five,six]", TEMPLATE, f"out={out}"]
    assert classify(run, *words) == 0
    printed = capsys.readouterr().out
    found = rows(out / "predictions.csv")
    assert [row["image"] for row in found] == [f"{index}.png" for index in range(6)]
    for row in found:
        probabilities = [float(row[f"probability_{number}"]) for number in range(1, 6)]
        assert probabilities == sorted(probabilities, reverse=True)
        assert 0 < sum(probabilities) <= 1 + 1e-5
        assert row["image"] in printed
    with Image.open(out / "picture.png") as picture:
        assert picture.width > 388
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["prediction"]["labels"][:2] == ["one", "two"]
    assert manifest["prediction"]["templates"] == ["a {} on white", "the digit {} on a white background"]
    assert "finished" in manifest
    # The same again has been done, and something else does not replace it.
    before = (out / "predictions.csv").stat().st_mtime_ns
    assert classify(run, *words) == 0
    assert "there already" in capsys.readouterr().out
    assert (out / "predictions.csv").stat().st_mtime_ns == before
    assert classify(run, *words[:1], "labels=[one,two]", *words[2:]) == 2
    assert "holds another prediction" in capsys.readouterr().err


def test_accuracy_on_a_labelled_data_set(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    words = ["data=digits", "data.size=12", f"labels=[{','.join(WORDS)}]", "template=[a {} on black]", "count=100"]
    assert classify(run, *words, f"out={out}") == 0
    scores = json.loads((out / "scores.json").read_text())
    found = rows(out / "predictions.csv")
    right = sum(row["class"] == row["label_1"] for row in found)
    assert (scores["images"], scores["accuracy"]) == (100, pytest.approx(right / 100))
    assert scores["interval"] == pytest.approx(wilson(right, 100))
    by_class = rows(out / "by_class.csv")
    assert sum(int(row["images"]) for row in by_class) == 100
    total = sum(float(row["accuracy"]) * int(row["images"]) for row in by_class)
    assert total == pytest.approx(right)
    assert f"zero-shot accuracy {right / 100:.1%}" in capsys.readouterr().out


def test_captions_are_matched_both_ways(
    run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    captions = tmp_path / "captions.txt"
    texts = [
        "a one on white",
        "a two on white",
        "a one on white",
        "a three on white",
        "a four on white",
        "a six on white",
    ]
    captions.write_text("\n".join(texts) + "\n\n")
    out = tmp_path / "out"
    assert classify(run, f"images={pictures}", f"captions={captions}", f"out={out}") == 0
    scores = json.loads((out / "scores.json").read_text())
    assert (scores["pairs"], scores["different_captions"]) == (6, 5)
    for direction, file in (("image_to_text", "predictions.csv"), ("text_to_image", "captions.csv")):
        key = f"rank_of_own_{'caption' if direction == 'image_to_text' else 'image'}"
        places = [int(row[key]) for row in rows(out / file)]
        for at in (1, 5, 10):
            expected = sum(place <= at for place in places) / 6
            assert scores[direction][f"recall_at_{at}"] == pytest.approx(expected)
        assert scores[direction]["recall_at_10"] == 1
    # As many captions as images or none are pairs.
    capsys.readouterr()
    captions.write_text("a one on white\n")
    assert classify(run, f"images={pictures}", f"captions={captions}", f"out={tmp_path / 'one'}") == 0
    assert "no recall: 6 images and 1 captions" in capsys.readouterr().out
    assert not (tmp_path / "one" / "scores.json").exists()


def test_captions_are_divided_by_line_feeds_alone(tmp_path: Path) -> None:
    file = tmp_path / "captions.txt"
    file.write_bytes("a\u2028b\r\n c\u0085d \n\n \r\n".encode())
    assert read_captions(str(file)) == ["a\u2028b", "c\u0085d"]
    file.write_bytes(b"a\n\nb\n")
    with pytest.raises(UserError, match="line 2 is empty"):
        read_captions(str(file))


REFUSED: dict[str, tuple[list[str], str]] = {
    "no images": (["labels=[one]"], "give one of them"),
    "images twice": (["images=PICTURES", "data=digits"], "both name images"),
    "no labels": (["images=PICTURES"], "there are no labels"),
    "no label": (["images=PICTURES", "labels=[]"], "has an empty label"),
    "empty label": (["images=PICTURES", "labels=[one,,two]"], "has an empty label"),
    "empty last label": (["images=PICTURES", "labels=[one,]"], "has an empty label"),
    "same to the run": (
        ["images=PICTURES", "labels=[one,two,One]", "template={}"],
        "the labels 'one' and 'One' are the same text to",
    ),
    "one of several": (["images=PICTURES/0.png", "count=5", "labels=[one]"], "count=5: images="),
    "label twice": (["images=PICTURES", "labels=[one,one]"], "names 'one' twice"),
    "no place": (["images=PICTURES", "labels=[one]", "template=a digit"], "'a digit' has no {}"),
    "unknown word": (
        ["images=PICTURES", "labels=[tree]", "template=a {} on white"],
        "no caption has the word 'tree'; did you mean three",
    ),
    "no pictures": (["images=NOWHERE", "labels=[one]", "template={}"], "is neither a folder nor a file"),
    "captions of data": (["data=digits", "captions=NOWHERE"], "captions= are matched with images="),
    "no captions": (["images=PICTURES", "captions=NOWHERE"], "can't be read as a text file"),
    "both": (["images=PICTURES", "captions=NOWHERE", "labels=[one]"], "give one of them"),
    "template": (["images=PICTURES", "captions=NOWHERE", "template={}"], "template= is for labels="),
    "too few labels": (["data=digits", "labels=[one]", "template={}"], "the data set has 10 classes"),
    "no classes": (["data=captioned_digits"], "has no classes to predict"),
    "split": (["images=PICTURES", "labels=[one]", "split=test"], "split=test has no effect"),
    "count": (["data=digits", f"labels=[{','.join(WORDS)}]", "template={}", "count=100000"], "count=100000"),
    "no checkpoint": (["images=PICTURES", "labels=[one]", "template={}", "checkpoint=best"], "no checkpoint 'best'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_do_gets_one_message(
    name: str, run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, message = REFUSED[name]
    words = [word.replace("PICTURES", str(pictures)).replace("NOWHERE", str(tmp_path / "nowhere")) for word in words]
    out = tmp_path / "out"
    assert classify(run, *words, f"out={out}") == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1
    assert not out.exists()


def test_a_run_that_is_no_clip_is_refused(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = run_of(tmp_path, "classifier", *CLASSIFIER, "steps=1")
    capsys.readouterr()
    assert classify(other, f"images={pictures}", "labels=[one]") == 2
    assert "lacks the ability to embed images and texts in one space" in capsys.readouterr().err


def test_ranks_of_the_right_ones() -> None:
    similarities = torch.tensor([[0.9, 0.1, 0.2], [0.5, 0.4, 0.3], [0.7, 0.1, 0.7]])
    found = ranks(similarities, torch.eye(3, dtype=torch.bool))
    # What is wrong and as near counts as nearer: else a model that embeds everything alike would find everything.
    assert found.tolist() == [0, 1, 1]
    assert ranks(torch.ones(3, 3), torch.eye(3, dtype=torch.bool)).tolist() == [2, 2, 2]
    assert [recall(found, at) for at in (1, 2)] == [pytest.approx(1 / 3), 1]
    # An equal text is as right as the own one.
    assert ranks(similarities, same_text(["a", "a", "b"])).tolist() == [0, 0, 1]


@pytest.mark.parametrize(("right", "count"), [(0, 10), (10, 10), (7, 10), (550, 1000)])
def test_the_interval_is_that_of_the_score_test(right: int, count: int) -> None:
    for bound in wilson(right, count):
        if 0 < bound < 1:
            distance = abs(right / count - bound) / (bound * (1 - bound) / count) ** 0.5
            assert distance == pytest.approx(1.96, abs=1e-3)
    low, high = wilson(right, count)
    assert low <= right / count <= high


def test_bars_are_as_long_as_the_probabilities() -> None:
    pictures = [torch.zeros(3, 8, 8, dtype=torch.uint8), torch.zeros(1, 300, 200, dtype=torch.uint8)]
    probabilities = torch.tensor([[0.75, 0.25], [0.0, 1.0]])
    shown = bars_beside(pictures, ["a", "b"], probabilities, [0, 0])
    assert shown.shape == (2, 3, 128, 388)
    coloured = (shown[:, :, 5, 128:] != 255).any(1).sum(1).tolist()
    assert coloured == [pytest.approx(0.75 * 252, abs=2), pytest.approx(252, abs=2)]


def test_imagenet_templates_are_openais(run: Path, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("open_clip")
    from genbench.commands.classify_inputs import read_templates

    given: Any = type("Given", (), {"template": "imagenet"})
    found = read_templates(given)
    assert len(found) == 80
    assert "itap of a {}." in found
    assert all(template.count("{}") == 1 for template in found)
    assert classify(run, f"images={pictures}", "labels=[one]", "template=imagenet") == 2
    assert "no caption has the word" in capsys.readouterr().err


def test_every_experiment_of_clip_composes() -> None:
    from genbench.config import compose_config

    names = [name for name in options("experiment") if name.startswith("clip_") and name != "clip_text_encoder"]
    assert {"clip_scenes", "clip_emoji", "clip_cifar10", "clip_vit_b32"} <= set(names)
    for name in names:
        config = compose_config("train", [f"experiment={name}"])
        assert config.method._target_.endswith(".CLIP")
        assert np.isfinite(config.steps)
