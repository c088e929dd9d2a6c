"""One denoising method under every kind of condition, by configuration alone, through all verbs."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from genbench.__main__ import main
from tests.data.distributed import ATTRIBUTES, make_celeba

TINY = [
    "network.denoiser.width=8", "sampler.steps=2", "data.batch_size=8", "steps=2", "trainer.accelerator=cpu",
    "callbacks.grid.count=4", "callbacks.nearest.count=2",
]  # fmt: skip

LEARNS = ["steps=20", "schedule.warmup_steps=0", "method.optimizer.lr=0.01", "method.ema_decay=0"]
"""Enough for the condition to matter."""

TrainOne = Callable[..., Path]


@pytest.fixture
def run(tmp_path: Path) -> TrainOne:
    """Return a function that trains a tiny DDPM and returns its run folder."""

    def train(*words: str, size: int | None = 8) -> Path:
        sized = [] if size is None else [f"data.size={size}"]
        assert main([*TINY, *sized, *words, f"output={tmp_path / 'runs'}", "name=run"]) == 0
        (folder,) = (tmp_path / "runs" / "run").iterdir()
        return folder

    return train


def drawn(run: Path, *words: str, count: int = 4) -> np.ndarray:
    """Return the images that `sample` draws, (count, H, W[, C]), and score them as anyone's."""
    out = run.parent / "-".join(word.replace("/", "") for word in words)[:40]
    assert main(["sample", f"run={run}", f"count={count}", "device=cpu", f"out={out}", *words]) == 0
    return np.stack([np.asarray(Image.open(file)) for file in sorted((out / "images").iterdir())])


def condition_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "condition.json").read_text())["condition"]
    return found


def test_attributes(run: TrainOne, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_celeba(tmp_path / "celeba")
    words = [
        "method=ddpm",
        "data=celeba",
        f"data.root={root}",
        f"data.prepared={tmp_path / 'prepared'}",
        "network=unet_small",
        "network.denoiser.multipliers=[1,2]",
        "metrics=none",
    ]
    folder = run(*words, "method.conditional=true", "method.guidance=1.0", *LEARNS)
    assert condition_of(folder)["names"] == ATTRIBUTES
    one, other = drawn(folder, "attributes=Smiling,Male"), drawn(folder, "attributes=")
    assert one.shape == (4, 8, 8, 3)
    assert (one != other).any()
    assert main(["sample", f"run={folder}", "attributes=Smilng"]) == 2
    assert "did you mean" in capsys.readouterr().err


def test_captions(run: TrainOne, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run("experiment=ddpm_captioned_digits", "metrics.count=20", *LEARNS, "steps=60")
    one, other = drawn(folder, "prompt=a seven on white"), drawn(folder, "prompt=the digit two on a black background")
    assert (one != other).any()
    # A caption without words is that which the network learns to do without.
    assert drawn(folder, "prompt= ").shape == (4, 8, 8)
    # As an editor of Windows writes it.
    text = "a seven on white\r\n\r\nThe digit two on a black background\r\n"
    Path("captions.txt").write_bytes(text.encode("utf-8-sig"))
    both = drawn(folder, "prompts=captions.txt")
    np.testing.assert_array_equal(both[::2], one[::2])
    np.testing.assert_array_equal(both[1::2], other[1::2])
    for words, message in (
        (["prompt=a dog, 'on' = white"], "no caption has the word 'dog'"),
        (["prompt=a b", "prompts=captions.txt"], "give one of them"),
        (["prompts=nowhere.txt"], "can't be read"),
        (["label=3"], "is one that takes prompt="),
    ):
        assert main(["sample", f"run={folder}", *words]) == 2
        assert message in capsys.readouterr().err
    assert main(["evaluate", f"run={folder}", "device=cpu"]) == 0
    protocol = json.loads((folder / "scores.json").read_text())["protocol"]
    assert protocol["conditions"] == "those of the test split, each as often as any other"


def test_translation_by_diffusion_is_scored_as_pix2pix_is(run: TrainOne, tmp_path: Path) -> None:
    folder = run("experiment=ddpm_edges2digits", "data.source=digits", "metrics.count=20", "schedule.warmup_steps=0")
    assert condition_of(folder) == {"_target_": "genbench.conditions.source_images.SourceImages", "shape": [1, 8, 8]}
    for index in range(3):
        Path("sources").mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8), 80 * index, dtype=np.uint8)).save(f"sources/{index}.png")
    assert drawn(folder, "sources=sources", count=64).shape == (3, 8, 8)
    assert main(["evaluate", f"run={folder}", "device=cpu"]) == 0
    values = json.loads((folder / "scores.json").read_text())["values"]
    assert {"mae", "ssim", "target_agreement_digits", "fid_digits"} <= values.keys()


def test_super_resolution_takes_any_data_set(run: TrainOne) -> None:
    folder = run("experiment=ddpm_superresolution_digits", "metrics.count=20", "steps=20", "schedule.warmup_steps=0")
    assert condition_of(folder)["shape"] == [1, 4, 4]
    Path("small").mkdir()
    Image.fromarray(np.full((4, 4), 200, dtype=np.uint8)).save("small/0.png")
    assert drawn(folder, "sources=small").shape == (1, 8, 8)
    assert main(["evaluate", f"run={folder}", "device=cpu"]) == 0
    assert "mae" in json.loads((folder / "scores.json").read_text())["values"]


def test_points_are_drawn_scored_and_shown(run: TrainOne, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for word in TINY if "denoiser" not in word]
    assert main(
        ["method=ddpm", "data=toy_points", "method.conditional=true", *words, "steps=60", "data.count=300",
         "metrics.count=100", "callbacks.scores.every=30", f"output={tmp_path}", "name=points",
         "network.denoiser.width=32", "trainer.log_every_n_steps=20"]
    ) == 0  # fmt: skip
    (folder,) = (tmp_path / "points").iterdir()
    values = json.loads((folder / "scores.json").read_text())["values"]
    assert {"mmd_coordinates", "c2st_coordinates", "means_p_coordinates"} <= values.keys()
    assert list((folder / "samples").glob("step_*.png"))
    assert main(["sample", f"run={folder}", "label=triangle", "count=5", "device=cpu", "out=drawn"]) == 0
    points = [np.load(file) for file in sorted(Path("drawn/images").iterdir())]
    assert [(one.shape, one.dtype) for one in points] == [((24, 2), np.float32)] * 5
    # What is there already is not drawn again.
    assert main(["sample", f"run={folder}", "label=2", "count=7", "device=cpu", "out=drawn"]) == 0
    np.testing.assert_array_equal(np.load("drawn/images/000000.npy"), points[0])
    assert main(["evaluate", f"run={folder}", "device=cpu", "metrics=full", "metrics.count=100"]) == 0
    assert main(["report", f"runs={folder}", "out=page"]) == 0
    assert "mmd" in Path("page/index.html").read_text()
    with (folder / "metrics.csv").open() as file:
        assert any(row.get("loss/denoiser") for row in csv.DictReader(file))
    capsys.readouterr()
    for refused, message in (
        (["method=gan", "data=toy_points", "steps=2"], "images are needed"),
        (["method=ddpm", "data=toy_points", "steps=2", "metrics=digits"], "set metrics=points"),
        (["evaluate", f"run={folder}", "likelihood=4", "device=cpu", "metrics.count=20"], "likelihood= is of images"),
    ):
        assert main(refused) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("derive", "message"),
    [
        ("LowResolution", "derive must make a condition"),
        ("{factor:2}", "derive must make a condition"),
        ("{_target_:genbench.conditions.derived.LowResolution,factor:3}", "factor of 3"),
        ("{_target_:genbench.conditions.derived.LowResolution,factor:1}", "factor must be at least 2"),
        ("{_target_:os.system}", "method: "),
    ],
)
def test_what_makes_no_condition_is_refused(capsys: pytest.CaptureFixture[str], derive: str, message: str) -> None:
    assert main(["method=ddpm", "data=digits", "data.size=8", "steps=2", f"method.derive={derive}"]) == 2
    assert message in capsys.readouterr().err


def test_the_names_of_classes_are_data(run: TrainOne, tmp_path: Path) -> None:
    for name in ("${seed}", "a,b=c"):
        for index in range(10):
            file = tmp_path / "images" / name / f"{index}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8), 20 * index).save(file)
    words = ["experiment=ddpm_digits", "data=image_folder", f"data.root={tmp_path / 'images'}", "metrics=none"]
    folder = run(*words, "data.channels=1", f"data.prepared={tmp_path / 'prepared'}", "method.conditional=true")
    assert condition_of(folder)["names"] == ["${seed}", "a,b=c"]
    assert drawn(folder, "label=a,b=c").shape == drawn(folder, "label=0").shape == (4, 8, 8)
