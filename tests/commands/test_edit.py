"""`edit`: inpainting and interpolation from the command line, and the folder that an edit has."""

import hashlib
import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from genbench.__main__ import main
from genbench.commands import edit
from genbench.commands.opening import open_run
from genbench.config import compose_config
from genbench.editing.masks import read_mask
from genbench.images import to_float, to_uint8
from genbench.randomness import CHUNK, Noise
from tests.commands.test_denoising_family import train

LITTLE = ["sampler.steps=3", "sampler.resamplings=2"]


@pytest.fixture(scope="module")
def ddpm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a diffusion model of digits and their classes for a few steps."""
    words = ["steps=6", "schedule.warmup_steps=0", "method.optimizer.lr=0.01", "callbacks.scores=null"]
    return train(tmp_path_factory.mktemp("edit"), "ddpm_guided", "run", *words)


def files(folder: Path) -> dict[str, bytes]:
    """Return all files beneath a folder but the manifest, which says when it was."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "manifest.json")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def pictures(folder: Path, name: str = "pictures") -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)) for path in sorted((folder / name).rglob("*.png"))])


def only(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main([*words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("genbench: ")
    assert said.count("\n") == 1
    return said


def test_a_part_is_filled_in_and_the_rest_stays(ddpm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["edit", "editor=inpaint", f"run={ddpm}", "count=3", "device=cpu"]
    assert main([*words, *LITTLE, "mask=left", f"out={tmp_path / 'left'}"]) == 0
    assert main([*words, *LITTLE, "mask=left", f"out={tmp_path / 'seven'}", "label=7", "guidance=9"]) == 0
    left, seven = pictures(tmp_path / "left"), pictures(tmp_path / "seven")
    assert (left[:, :, 4:] == seven[:, :, 4:]).all()
    assert (left[:, :, :4] != seven[:, :, :4]).any()
    assert len(np.unique(left[:, :, 4:])) > 5
    # The same of a picture as a mask, and of somebody's own images.
    mask = np.zeros((8, 8), np.uint8)
    mask[:, :4] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    own = [f"mask={tmp_path / 'mask.png'}", f"images={tmp_path / 'left' / 'pictures'}", f"out={tmp_path / 'own'}"]
    assert main([*words, *LITTLE, *own]) == 0
    assert (pictures(tmp_path / "own")[:, :, 4:] == left[:, :, 4:]).all()
    Image.fromarray(mask[:4]).save(tmp_path / "wide.png")
    Image.fromarray(mask * 0).save(tmp_path / "black.png")
    (tmp_path / "text.png").write_text("no picture")
    for mask_name, message in (
        ("middle", "center, left"), (tmp_path / "wide.png", "8 x 4"), (tmp_path / "black.png", "all of it is dark"),
        (tmp_path / "text.png", "can't be read"),
    ):  # fmt: skip
        assert message in refused(capsys, *words, f"mask={mask_name}")
    assert "images are filled in by sampler=repaint alone" in refused(capsys, *words, "sampler=ddim", "mask=left")
    assert not (ddpm / "edits").exists()


def test_what_is_filled_in_is_what_sample_filled_in_before(ddpm: Path, tmp_path: Path) -> None:
    images = torch.randint(256, (CHUNK + 3, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    np.savez(tmp_path / "images.npz", images.numpy())
    words = ["edit", "editor=inpaint", f"run={ddpm}", "count=100", "seed=5", "label=3", "mask=top", "device=cpu"]
    assert main([*words, *LITTLE, f"images={tmp_path / 'images.npz'}", f"out={tmp_path / 'out'}"]) == 0
    filled = pictures(tmp_path / "out")
    # `sample ... mask=top` called the method so, chunk by chunk, the last one filled up with its last image.
    run = open_run(compose_config("edit", ["editor=inpaint", f"run={ddpm}", "device=cpu", *LITTLE]), fills_in=True)
    mask = read_mask("top", 8, 8)
    for chunk in range(2):
        known = to_float(images[torch.arange(chunk * CHUNK, (chunk + 1) * CHUNK).clamp_max(CHUNK + 2)])
        before = run.method.inpaint(known, mask, torch.full((CHUNK,), 3), noise=Noise(5, chunk))  # type: ignore[operator]
        own = filled[chunk * CHUNK : (chunk + 1) * CHUNK]
        assert (to_uint8(before)[: len(own), 0].numpy() == own).all()
    assert (filled[:, 4:] == images[:, 0, 4:].numpy()).all()
    # The score is that of the hole alone.
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    differences = np.abs(filled[:, :4].astype(float) - images[:, 0, :4].numpy()).mean((1, 2)) / 255
    assert scores["values"]["filled_l1"] == pytest.approx(differences.tolist(), abs=1e-6)
    assert "in [0, 1]" in scores["protocol"]["scores"]["filled_l1"]


def test_an_interpolation_begins_with_a_sample_and_depends_on_its_number_alone(run: Path, tmp_path: Path) -> None:
    words = ["edit", "editor=interpolate", f"run={run}", "seed=3", "label=2", "device=cpu", "editor.steps=4"]
    for name, others in (("two", ["count=2"]), ("five", ["count=5"]), ("line", ["count=2", "editor.path=linear"])):
        assert main([*words, *others, f"out={tmp_path / name}"]) == 0
    two, five, line = (pictures(tmp_path / name) for name in ("two", "five", "line"))
    assert two.shape == (2, 8, 32)
    assert (two == five[:2]).all()
    sample = ["sample", f"run={run}", "seed=3", "label=2", "count=2", "device=cpu", f"out={tmp_path / 'sample'}"]
    assert main(sample) == 0
    assert (two[:, :, :8] == pictures(tmp_path / "sample", "images")).all()
    # The paths have their ends in common, and nothing else.
    assert (two[:, :, [*range(8), *range(24, 32)]] == line[:, :, [*range(8), *range(24, 32)]]).all()
    assert (two[:, :, 8:24] != line[:, :, 8:24]).any()
    # A strip is its frames, and the animation has each of them.
    frames = pictures(tmp_path / "two", "intermediate")
    assert (np.concatenate([*frames[:4]], axis=1) == two[0]).all()
    with Image.open(tmp_path / "two" / "animation.gif") as animation:
        assert animation.n_frames == 4  # type: ignore[attr-defined]
    scores = json.loads((tmp_path / "two" / "scores.json").read_text())
    assert np.shape(scores["values"]["neighbour_l1"]) == (2, 3)
    expected = np.abs(np.diff(frames[:4].astype(float), axis=0)).mean((1, 2)) / 255
    assert scores["values"]["neighbour_l1"][0] == pytest.approx(expected.tolist(), abs=1e-6)


def test_the_folder_says_what_it_came_from_and_the_same_command_makes_the_same(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["edit", "editor=interpolate", f"run={run}", "count=2", "seed=3", "device=cpu"]
    assert main(words) == 0
    folder = only(run / "edits")
    assert folder.name == "interpolate-pathslerp-steps9-spacez_last_step4_seed3_count2"
    manifest = json.loads((folder / "manifest.json").read_text())
    checkpoint = (run / manifest["source"]["file"]).read_bytes()
    assert manifest["source"]["sha256"] == hashlib.sha256(checkpoint).hexdigest()
    assert (manifest["source"]["run"], manifest["source"]["step"]) == (str(run), 4)
    assert {"revision", "versions", "machine", "seconds", "finished"} <= manifest.keys()
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert (config["editor"]["path"], config["seed"], config["count"]) == ("slerp", 3, 2)
    assert shlex.split(manifest["command"])[3:] == words
    # It is made once, and anew after it was taken away.
    before = files(folder)
    monkeypatch.setattr(edit, "edit_chunks", lambda *arguments: pytest.fail("it edited"))
    assert main(words) == 0
    assert "there already" in capsys.readouterr().out
    monkeypatch.undo()
    shutil.rmtree(folder)
    assert main(shlex.split(manifest["command"])[3:]) == 0
    assert files(folder) == before
    # Other settings are another folder's.
    assert main([*words, "editor.path=linear"]) == 0
    assert main([*words, "label=5"]) == 0
    assert len({*(run / "edits").iterdir()}) == 3
    assert files(folder) == before
    # Nothing in it depends on where the run is.
    moved = Path(shutil.move(folder, tmp_path / "elsewhere"))
    shutil.rmtree(run)
    assert files(moved) == before


def test_an_edit_that_was_cut_short_is_begun_anew(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["edit", "editor=interpolate", f"run={run}", f"count={CHUNK + 2}", "device=cpu", "editor.steps=2"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert main([*words, f"out={whole}"]) == 0
    chunks = edit.edit_chunks

    def stop_after_one(*arguments: Any) -> Iterator[Any]:
        yield next(chunks(*arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr(edit, "edit_chunks", stop_after_one)
    assert main([*words, f"out={cut}"]) == 130
    monkeypatch.undo()
    assert len(pictures(cut)) == CHUNK
    (cut / "pictures" / "00003.png.part").write_bytes(b"half a picture")
    assert "finished" not in json.loads((cut / "manifest.json").read_text())
    assert main([*words, f"out={cut}"]) == 0
    ours, theirs = files(cut), files(whole)
    assert ours.pop("config.yaml") != theirs.pop("config.yaml")
    assert ours == theirs
    # What an editor refuses leaves nothing, nor does a full disk.
    monkeypatch.setattr(edit, "edit_chunks", lambda *arguments: (_ for _ in ()).throw(edit.UserError("no")))
    assert "no" in refused(capsys, *words, f"out={tmp_path / 'new' / 'deep'}")
    assert not (tmp_path / "new").exists()
    monkeypatch.undo()
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(edit, "save_animation", lambda *arguments: (_ for _ in ()).throw(full))
    assert "can't be written: No space left on device" in refused(capsys, *words, f"out={tmp_path / 'new' / 'deep'}")
    assert not (tmp_path / "new").exists()


def test_what_is_not_of_this_edit_is_left_and_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["edit", "editor=interpolate", f"run={run}", "count=2", "device=cpu"]
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "letter.txt").write_text("mine")
    assert main([*words, f"out={ours}"]) == 0
    before = {**files(ours), **files(theirs), **files(run)}
    assert "neither empty nor an edit" in refused(capsys, *words, f"out={theirs}")
    assert "another edit, of seed 0, not 1" in refused(capsys, *words, f"out={ours}", "seed=1")
    assert "neither empty nor an edit" in refused(capsys, *words, f"out={run}")
    assert {**files(ours), **files(theirs), **files(run)} == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "edit needs editor=...; there is animate, attention_maps, clip_guided_diffusion"),
        (["editor=interpolat"], "did you mean interpolate"),
        (["editor=inpaint", "mask=left"], "editor=inpaint does not go with the cgan of {run}, which lacks the ability"),
        (["editor=interpolate", "mask=left"], "mask=left has no effect: editor=interpolate takes no mask"),
        (["editor=interpolate", "images=DIR"], "editor=interpolate takes no images"),
        (["editor=interpolate", "sources=DIR"], "no use for sources="),
        (["editor=interpolate", "prompt=a, b = 'c'"], "prompt=a, b = 'c' has no effect"),
        (["editor=interpolate", "label=10"], "there are classes 0 to 9"),
        (["editor=interpolate", "sampler=ddim"], "has no use for sampler"),
        (["editor=interpolate", "guidance=1"], "knows no guidance"),
        (["editor=interpolate", "editor.path=circle"], "one of slerp, linear"),
        (["editor=interpolate", "editor.steps=1"], "steps must be at least 2"),
        (["editor=interpolate", "+editor.method=gan"], "editor.method is the method of the run"),
        (["editor=interpolate", "editor._target_=torch.nn.Linear"], "is no genbench.editing.base.Editor"),
        (["editor=interpolate", "count=0"], "count must be at least 1"),
        (["editor=interpolate", "count=2000000"], "more than the 1,000,000 of a folder"),
        (["editor=interpolate", "checkpoint=worst"], "has no checkpoint 'worst'"),
        (["editor=interpolate", "back=true"], "there is no key 'back'"),
    ],
)
def test_what_can_not_be_edited_is_refused_in_one_line(
    run: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert message.format(run=run) in refused(capsys, "edit", f"run={run}", "device=cpu", *words)
    assert not (run / "edits").exists()


def test_images_and_masks_of_another_kind_are_refused(
    ddpm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "large.npz", np.zeros((2, 16, 16, 1), np.uint8))
    words = ["edit", f"run={ddpm}", "device=cpu"]
    for others, message in (
        (["editor=inpaint"], "editor=inpaint needs mask=...: center"),
        (["editor=inpaint", "mask=left", f"images={tmp_path / 'large.npz'}"], "(1, 16, 16)"),
        (["editor=inpaint", "mask=left", "images=nowhere"], "neither a folder nor a file"),
        (["editor=inpaint", "mask=left", "sources=nowhere"], "what is edited is named by images="),
        (["editor=inpaint", "mask=left", "attributes=Smiling"], "attributes=Smiling has no effect"),
        (["editor=interpolate"], "lacks the ability to map a latent vector"),
        (["editor=interpolate", "sampler=repaint"], "edit editor=inpaint"),
    ):
        assert message in refused(capsys, *words, *others)
    assert not (ddpm / "edits").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["sample", "run=RUN", "mask=left"],
        ["sample", "run=RUN", "sampler=repaint", "mask=left", "sampler.steps=3"],
        ["sample", "run=RUN", "sampler=repaint"],
        ["-m", "sample", "run=RUN", "mask=left,right"],
        ["evaluate", "run=RUN", "sampler=repaint"],
        ["experiment=ddpm_digits", "sampler=repaint", "steps=1"],
    ],
)
def test_the_old_spelling_is_answered_by_the_new_one(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, *words)
    assert "python -m genbench edit editor=inpaint run=FOLDER mask=center" in said
    assert not any(Path().iterdir())


def test_two_edits_are_a_sweep(run: Path) -> None:
    assert main(["-m", "edit", "editor=interpolate", f"run={run}", "count=1", "device=cpu", "seed=0,1"]) == 0
    names = sorted(path.name for path in (run / "edits").iterdir())
    assert [name.split("_")[3] for name in names] == ["seed0", "seed1"]
