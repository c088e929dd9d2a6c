"""A run that draws nothing but embeds images and texts: it is scored, and it scores others."""

import json
import shutil
from pathlib import Path

import pytest

from genbench import api
from genbench.__main__ import main
from genbench.errors import UserError
from tests.commands.small_runs import UNET, run_of

SCENES = [
    "data=scenes",
    "data.count=64",
    "data.held_out=110",
    "data.batch_size=8",
    "trainer.accelerator=cpu",
    "steps=1",
]
TOWERS = ["network=clip_small_resnet", "method.schedule.warmup_steps=0"]
QUIET = ["callbacks.grid=null", "callbacks.nearest=null", "callbacks.scores=null"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("clip")
    painter = [
        "method=ddpm",
        "metrics=scenes",
        *UNET,
        "sampler=ddim",
        "sampler.steps=1",
        "method.conditional=true",
        # That of noisy_clip_scenes.
        "method.process.schedule=cosine",
        *QUIET,
    ]
    return {
        "clip": run_of(place, "clip", "method=clip", *SCENES, *TOWERS),
        "noisy": run_of(place, "noisy", "method=noisy_clip", *SCENES, *TOWERS),
        "painter": run_of(place, "painter", *painter, *SCENES),
    }


@pytest.fixture(scope="module")
def guided(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts = [f"parts.denoiser={folders['painter']}", f"parts.clip={folders['noisy']}"]
    given = ["experiment=guided_scenes", *SCENES[1:4], "sampler.steps=2", *parts, *QUIET]
    return run_of(tmp_path_factory.mktemp("guided"), "guided", *given)


def test_a_clip_of_noisy_images_guides_and_does_not_score_what_it_guided(
    folders: dict[str, Path], guided: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def drawn(run: Path, *words: str) -> bytes:
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        caption = "prompt=a red three on white"
        assert main(["sample", f"run={run}", "count=2", "device=cpu", caption, f"out={out}", *words]) == 0
        return (out / "images" / "000001.png").read_bytes()

    plain = drawn(folders["painter"], "sampler=ancestral_100", "sampler.steps=2")
    assert drawn(guided, "guidance=0") == plain
    assert drawn(guided, "guidance=300") != plain
    assert drawn(guided, "guidance=0", "sampler=ddim", "sampler.steps=2") != plain
    words = ["evaluate", f"run={guided}", "device=cpu", "count=10", "metrics.scores=[alignment,clip_score]"]
    assert main([*words, f"metrics.clip={folders['noisy']}"]) == 2
    error = capsys.readouterr().err
    assert "built on this very CLIP (its part clip has the same weights)" in error
    assert "Traceback" not in error
    assert main([*words, f"metrics.clip={folders['clip']}"]) == 0
    found = json.loads((guided / "scores.json").read_text())
    assert found["protocol"]["guidance"] == 3.0
    assert "guided_the_method" not in found["protocol"]["clip"]
    # A CLIP of clean images can't tell what noisy ones show.
    plain_clip = [f"parts.denoiser={folders['painter']}", f"parts.clip={folders['clip']}", f"output={tmp_path}"]
    capsys.readouterr()
    assert main(["experiment=guided_scenes", *SCENES[1:4], *plain_clip]) == 2
    assert "ability to embed noisy images of a forward process" in capsys.readouterr().err


def test_a_clip_run_is_scored_on_both_splits(folders: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", f"run={folders['clip']}", "device=cpu", "metrics.candidates=50"]) == 0
    found = json.loads((folders["clip"] / "scores.json").read_text())
    assert found["protocol"]["retrieval_candidates"] == 50
    for name in ("image_to_text_recall_1", "text_to_image_recall_10_all_unseen", "zero_shot_pair_unseen"):
        assert 0 <= found["values"][name] <= 1
    assert found["values"]["zero_shot_digit_std"] > 0
    assert "samples" in capsys.readouterr().out
    for key in ("count=10", "split=unseen", "likelihood=10"):
        assert main(["evaluate", f"run={folders['clip']}", "device=cpu", key]) == 2
        assert "draws no samples: leave it out" in capsys.readouterr().err


def test_it_scores_what_others_draw_for_captions_of_either_split(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(folders["painter"], tmp_path / "run"))
    clip = folders["clip"]
    words = ["evaluate", f"run={run}", "device=cpu", "count=16", "metrics=scenes", f"metrics.clip={clip}"]
    words += ["metrics.scores=[alignment,clip_score,r_precision,fid]", f"metrics.extractor=run:{clip}"]
    assert main([*words, "split=unseen"]) == 0
    assert "real unseen images" in " ".join(capsys.readouterr().out.split())
    assert main(words) == 0
    found = json.loads((run / "scores.json").read_text())
    sha256 = found["protocol"]["clip"]["sha256"]
    assert f"fid_clip_{sha256[:8]}" in found["values"]
    assert "fid" not in found["values"]
    assert found["real_test_images"]["values"]["alignment_all"] >= 0.98
    assert found["real_test_images"]["values"]["r_precision"] < 0.5
    # Under two protocols, side by side.
    assert "split" not in found["protocol"]
    (other,) = found["others"]
    assert other["protocol"]["split"] == "unseen"
    assert other["protocol"]["conditions"].startswith("those of the unseen split")


def test_both_are_scored_from_python_too(folders: dict[str, Path]) -> None:
    clip, painter = (api.open_run(folders[name], "device=cpu") for name in ("clip", "painter"))
    assert "zero_shot_pair_unseen" in api.score(clip).values
    with pytest.raises(UserError, match="draws no samples"):
        api.sample(clip, "count=4")
    scores = api.score(painter, "count=16", "split=unseen")
    assert scores.protocol["conditions"].startswith("those of the unseen split")
    with pytest.raises(UserError, match="has no such split"):
        api.score(painter, "split=val")


def test_what_does_not_do_is_said_in_one_line(folders: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", f"run={folders['painter']}", "device=cpu", "count=16", "metrics=scenes"]
    for more, said in (
        (["split=val"], "split=val: scenes has no such split, only train, test, unseen"),
        (["metrics.scores=[clip_score]"], "it takes a CLIP, metrics.clip=RUN"),
        (
            ["metrics.scores=[clip_score]", f"metrics.clip={folders['painter']}"],
            "lacks the ability to embed images and texts",
        ),
        (["metrics.candidates=50"], "metrics.candidates has no effect: it is of retrieval"),
        ([f"metrics.clip={folders['clip']}"], "metrics.clip has no effect: it is of clip_score and r_precision"),
    ):
        capsys.readouterr()
        assert main([*words, *more]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.startswith("genbench: ")
    assert main([*words[:-1], "metrics.candidates=50"]) == 2
    assert "embeds no images and texts: leave it out" in capsys.readouterr().err
