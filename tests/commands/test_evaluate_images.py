"""`evaluate images=` against other images, against a file of statistics, and against nothing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.__main__ import main
from genbench.data.digits import Digits
from genbench.metrics.extractors.digits import load_digit_classifier
from genbench.metrics.features import features_of
from genbench.runs.score_file import read_scores

FULL = ["metrics=full", "metrics.cache=null", "device=cpu"]
DIGITS = ["data=digits", "data.size=16"]


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return Digits(size=16).store("test").samples[:]


@pytest.fixture
def drawn(images: torch.Tensor, tmp_path: Path) -> Path:
    """Write a folder of images."""
    folder = tmp_path / "drawn"
    folder.mkdir()
    for index, image in enumerate(images[:60]):
        Image.fromarray(image[0].numpy()).save(folder / f"{index:03d}.png")
    return folder


@pytest.fixture
def others(images: torch.Tensor, tmp_path: Path) -> Path:
    """Write an array of other images."""
    path = tmp_path / "others.npz"
    np.savez(path, images[60:200].permute(0, 2, 3, 1).numpy())
    return path


def scores_of(drawn: Path) -> dict[str, Any]:
    return read_scores(drawn.with_name(f"{drawn.name}.scores.json"))[0]


def moments_of(images: torch.Tensor) -> dict[str, np.ndarray]:
    features = features_of(load_digit_classifier(), images).features.double().numpy()
    return {"mu": features.mean(0), "sigma": np.cov(features, rowvar=False)}


def test_any_two_places_are_compared_whole(drawn: Path, others: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate = ["evaluate", f"images={drawn}", f"images_reference={others}", *FULL, "metrics.kid_subset_size=30"]
    assert main(evaluate) == 0
    said = capsys.readouterr().out.replace("\n", " ")
    assert "60 samples against 140 images of others.npz" in said
    assert "real test images" not in said
    row = scores_of(drawn)
    assert {"fid_digits", "kid_digits", "precision_digits"} <= row["values"].keys()
    protocol = row["protocol"]
    assert (protocol["reference"], protocol["reference_count"], protocol["count"]) == ("others.npz", 140, 60)
    # The content of the reference is what identifies it, and a set is at no distance from itself.
    assert main(["evaluate", f"images={others}", f"images_reference={others}", *FULL, "metrics.scores=[fid]"]) == 0
    itself = scores_of(others)
    assert itself["values"]["fid_digits"] == pytest.approx(0, abs=1e-6)
    assert itself["protocol"]["reference_identity"] == protocol["reference_identity"]
    assert main(["evaluate", f"images={drawn}", f"images_reference={drawn}", *FULL, "metrics.scores=[fid]"]) == 0
    assert scores_of(drawn)["protocol"]["reference_identity"] != protocol["reference_identity"]


def test_statistics_of_a_file_are_a_reference(
    drawn: Path, images: torch.Tensor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "statistics.npz"
    np.savez(file, **moments_of(images[60:]))
    words = [f"images={drawn}", *FULL, "metrics.halves=0"]
    assert main(["evaluate", *words, f"metrics.reference={file}"]) == 0
    said = capsys.readouterr()
    assert "does not record how its statistics were made" in said.err
    assert "left out: kid: it takes the features of the reference's images" in said.out.replace("\n", " ")
    by_file = scores_of(drawn)
    assert by_file["protocol"]["reference"] == "statistics.npz"
    assert len(by_file["protocol"]["reference_sha256"]) == 16
    assert {"kid", "neighbours", "mmd"} <= by_file["left_out"].keys()
    rest = tmp_path / "rest.npy"
    np.save(rest, images[60:].permute(0, 2, 3, 1).numpy())
    assert main(["evaluate", *words, f"images_reference={rest}", "metrics.scores=[fid]"]) == 0
    assert by_file["values"]["fid_digits"] == pytest.approx(scores_of(drawn)["values"]["fid_digits"], rel=1e-5)


def test_files_that_are_no_statistics_get_one_message(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "wide.npz", mu=np.zeros(2048), sigma=np.eye(2048))
    np.savez(tmp_path / "half.npz", mu=np.zeros(64))
    np.savez(tmp_path / "nan.npz", mu=np.full(64, np.nan), sigma=np.eye(64))
    np.savez(tmp_path / "askew.npz", mu=np.zeros(64), sigma=np.triu(np.ones((64, 64))))
    np.savez(tmp_path / "objects.npz", mu=np.array([{}]), sigma=np.eye(64))
    (tmp_path / "edm.pkl").write_bytes(b"\x80\x04N.")
    (tmp_path / "text.npz").write_text("no archive")
    for name, message in (
        ("wide.npz", "the features of metrics.extractor have 64 dimensions"),
        ("half.npz", "has no sigma, only mu"),
        ("nan.npz", "NaN"),
        ("askew.npz", "not symmetric"),
        ("objects.npz", "holds more than numbers"),
        ("edm.pkl", "a pickle can run code"),
        ("text.npz", "can't be read"),
        ("none.npz", "No such file"),
        ("drawn", "must be an .npz"),
    ):
        assert main(["evaluate", f"images={drawn}", f"metrics.reference={tmp_path / name}", *FULL]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert said.splitlines()[-1].startswith("genbench: ")
    assert not drawn.with_name("drawn.scores.json").exists()


def test_predictions_need_nothing_to_compare_with(
    drawn: Path, others: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = ["evaluate", f"images={drawn}", *FULL, "metrics.scores=[is,modes]"]
    assert main(alone) == 0
    assert "is_digits" in scores_of(drawn)["values"]
    assert "reference" not in scores_of(drawn)["protocol"]
    capsys.readouterr()
    for words, message in (
        ([*alone, f"images_reference={others}"], "images_reference= has no effect"),
        ([*alone, f"metrics.reference={others}"], "metrics.reference has no effect"),
        (["evaluate", f"images={drawn}", *FULL], "needs the data set to compare with"),
        (["evaluate", f"images={drawn}", f"images_reference={others}", *DIGITS, *FULL], "give one of them"),
        (["evaluate", f"images={drawn}", f"images_reference={drawn}x", *FULL], "neither a folder nor a file"),
        (["evaluate", f"images_reference={others}"], "evaluate needs either"),
    ):
        assert main(words) == 2
        assert message in capsys.readouterr().err


def test_a_colour_reference_takes_colour_samples(drawn: Path, tmp_path: Path) -> None:
    """The channels are those of the reference, whatever the mode of the samples' files."""
    colour = tmp_path / "colour"
    colour.mkdir()
    for index in range(12):
        pixels = np.random.default_rng(index).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(colour / f"{index}.png")
    words = [
        "metrics=full",
        "metrics.extractor=coordinates",
        "metrics.scores=[mmd]",
        "metrics.cache=null",
        "device=cpu",
    ]
    assert main(["evaluate", f"images={drawn}", f"images_reference={colour}", *words]) == 0
    scores = json.loads(drawn.with_name("drawn.scores.json").read_text())
    assert scores["protocol"]["reference_identity"]["image_shape"] == [3, 16, 16]
    assert scores["values"]["mmd_coordinates"] > 0
