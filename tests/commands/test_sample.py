"""`sample`: a folder a set, in which nothing else lies, which is continued where it was stopped."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from genbench.__main__ import main
from genbench.commands import provenance, sample
from genbench.commands.sample_folder import choose_sample_folder
from genbench.config.words import ASKED
from genbench.medium import Images
from genbench.randomness import CHUNK

Sample = Callable[..., Path]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "images").iterdir())}


@pytest.fixture
def draw(run: Path, capsys: pytest.CaptureFixture[str]) -> Sample:
    """Return a function that samples the run and returns the folder that the command named."""

    def draw(*words: str) -> Path:
        capsys.readouterr()
        assert main(["sample", f"run={run}", "device=cpu", *words]) == 0
        line = next(line for line in capsys.readouterr().out.splitlines() if " images: " in line)
        return Path(line.partition(" images: ")[2]).parent

    return draw


def test_what_makes_a_set_differ_is_in_its_name(run: Path, draw: Sample) -> None:
    folders = [
        draw("count=5", *words)
        for words in ([], ["label=3"], ["label=4"], ["seed=1"], ["checkpoint=best"], ["checkpoint=step_0000002"])
    ]
    assert [folder.name for folder in folders] == [
        "last_step4_seed0", "last_step4_seed0_label3", "last_step4_seed0_label4", "last_step4_seed1",
        "best_step4_seed0", "step_0000002_seed0",
    ]  # fmt: skip
    assert all(len(files(folder)) == 5 for folder in folders)


def test_what_a_diffusion_model_is_asked_for_is_in_the_name_too(tmp_path: Path) -> None:
    own = {"sampler": {"_target_": "genbench.diffusion.samplers.ddim", "steps": 50}, "method": {"guidance": 0.0}}
    folder: Any = SimpleNamespace(samples=tmp_path / "samples", read_config=lambda: OmegaConf.create(own))
    method: Any = torch.nn.Linear(2, 2)
    method.condition, method.medium = None, Images((1, 8, 8))

    def name(settings: dict[str, Any] | None = None, **asked: Any) -> str:
        run: Any = SimpleNamespace(
            folder=folder, settings=OmegaConf.create(own | (settings or {})), step=7, method=method,
            data=SimpleNamespace(medium=Images((1, 8, 8))),
        )  # fmt: skip
        config = dict.fromkeys(("out", *ASKED, "prompts", "sources"))
        config |= {"checkpoint": "last", "seed": 0, "count": 5, "back": False} | asked
        return choose_sample_folder(run, OmegaConf.create(config)).path.name

    other = {"sampler": {"_target_": "genbench.diffusion.samplers.ddim", "_partial_": True, "steps": 9, "eta": 1.0}}
    assert name() == name({"method": {"guidance": 0.0}}) == "last_step7_seed0"
    assert name({"method": {"guidance": 2.5}}) == "last_step7_seed0_guidance2.5"
    assert name(other) == "last_step7_seed0_ddim-steps9-eta1.0"
    assert name(back=True) == "last_step7_seed0_back"
    # What is asked for in words may be long, and of any signs.
    assert re.fullmatch(r"last_step7_seed0_prompt-a-cat--on-a-mat-[0-9a-f]{6}", name(prompt="a cat, on a mat"))
    assert name(prompt="a cat") != name(prompt="a-cat")
    assert len(name(prompt="very " * 100)) < 100
    # Two folders of one name, and a name as long as a path may be.
    assert re.fullmatch(r"last_step7_seed0_sources-photos-[0-9a-f]{6}", name(sources="a/photos"))
    assert name(sources="a/photos") != name(sources="b/photos")
    assert len(name(sources="x" * 200)) < 100


def test_a_run_that_goes_on_gets_folders_of_its_own(run: Path, draw: Sample) -> None:
    early = draw("count=3")
    before = files(early)
    assert main(["train", f"run={run}", "steps=6"]) == 0
    late = draw("count=3")
    assert late != early
    assert files(early) == before != files(late)


def test_more_continue_a_set_and_fewer_get_a_folder_of_their_own(draw: Sample) -> None:
    some = draw(f"count={CHUNK + 10}")
    before = files(some)
    more = draw(f"count={2 * CHUNK + 5}")
    assert more == some
    assert len(files(more)) == 2 * CHUNK + 5
    assert all(files(more)[name] == content for name, content in before.items())
    few = draw("count=7")
    assert few != more
    assert files(few) == dict(list(before.items())[:7])
    assert len(files(more)) == 2 * CHUNK + 5


def test_a_set_that_was_stopped_goes_on_and_draws_nothing_twice(
    draw: Sample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = files(draw(f"count={3 * CHUNK}", f"out={tmp_path / 'whole'}"))
    stopped = tmp_path / "stopped"
    drawn: list[int] = []
    sample_chunks = sample.sample_chunks

    def stop_after_two(*arguments: Any, **settings: Any) -> Iterator[Any]:
        for first, images in sample_chunks(*arguments, **settings):
            if len(drawn) == 2:
                raise KeyboardInterrupt
            drawn.append(first)
            yield first, images

    monkeypatch.setattr(sample, "sample_chunks", stop_after_two)
    words = ["sample", f"run={tmp_path / 'run'}", "device=cpu", f"count={3 * CHUNK}", f"out={stopped}"]
    assert main(words) == 130
    # What was drawn is on the disk already; of what was not written whole nothing is left to be scored.
    assert len(files(stopped)) == 2 * CHUNK
    (stopped / "images" / "000005.png").unlink()
    (stopped / "images" / "000128.png.part").write_bytes(b"half a picture")
    drawn.clear()

    def count_them(*arguments: Any, **settings: Any) -> Iterator[Any]:
        for first, images in sample_chunks(*arguments, **settings):
            drawn.append(first)
            yield first, images

    monkeypatch.setattr(sample, "sample_chunks", count_them)
    assert main(words) == 0
    assert drawn == [0, 2 * CHUNK]
    assert files(stopped) == whole


def test_what_is_not_of_this_set_is_left_and_refused(
    run: Path, draw: Sample, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "images").mkdir(parents=True)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(theirs / "images" / "cat.png")
    ours = draw("count=5", f"out={tmp_path / 'ours'}")
    mixed = draw("count=5", f"out={tmp_path / 'mixed'}")
    shutil.copy(theirs / "images" / "cat.png", mixed / "images")
    for words, message in (
        (["count=5", f"out={theirs}"], "is neither empty nor a set of `sample`"),
        (["count=5", f"out={ours}", "label=2"], "another set, of label none, not 2"),
        (["count=5", f"out={ours}", "seed=9"], "another set, of seed 0, not 9"),
        (["count=3", f"out={ours}"], "more than count=3 images, such as 000003.png"),
        (["count=5", f"out={mixed}"], "something else, cat.png"),
    ):
        before = {folder: files(folder) for folder in (theirs, ours, mixed)}
        assert main(["sample", f"run={run}", "device=cpu", *words]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert "name another folder by out=FOLDER" in said
        assert {folder: files(folder) for folder in before} == before


def test_other_weights_under_the_same_name_are_seen(
    run: Path, draw: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    draw("count=5")
    file = run / "checkpoints" / "last.ckpt"
    content = torch.load(file, weights_only=True)
    name = next(name for name in content["state_dict"] if name.endswith("weight"))
    content["state_dict"][name] += 1
    torch.save(content, file)
    assert main(["sample", f"run={run}", "count=5", "device=cpu"]) == 2
    assert "holds another set, of weights" in capsys.readouterr().err


@pytest.mark.parametrize("count", ["1000000000", "60"])
def test_what_the_disk_has_no_room_for_is_refused_with_what_it_takes(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], count: str
) -> None:
    if count == "60":
        monkeypatch.setattr(provenance.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 100_000))
    before = sorted((run / "samples").iterdir())
    assert main(["sample", f"run={run}", f"count={count}", "device=cpu"]) == 2
    assert ("take up to 3.7 TiB" if count == "1000000000" else "take up to 240.0 KiB") in capsys.readouterr().err
    assert sorted((run / "samples").iterdir()) == before


def test_a_place_that_can_not_be_written_is_named_before_the_work(
    run: Path, draw: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(run / "samples")
    (run / "samples").write_text("a file in the folder's place")
    (tmp_path / "file").touch()
    monkeypatch.setattr(sample, "sample_chunks", lambda *arguments, **settings: pytest.fail("it drew"))
    for words, message in (
        (["count=5"], "name another place by out=FOLDER"),
        (["count=5", f"out={tmp_path / 'file' / 'deep'}"], f"out={tmp_path / 'file' / 'deep'} can't be written"),
    ):
        assert main(["sample", f"run={run}", "device=cpu", *words]) == 2
        assert message in capsys.readouterr().err
    monkeypatch.undo()
    assert len(files(draw("count=5", f"out={tmp_path / 'elsewhere'}"))) == 5


def test_a_set_says_what_it_is_of(draw: Sample) -> None:
    said = json.loads((draw("count=5", "label=3") / "sample.json").read_text())
    assert said["count"] == 5
    assert (said["facts"]["label"], said["facts"]["step"], said["facts"]["seed"]) == (3, 4, 0)
