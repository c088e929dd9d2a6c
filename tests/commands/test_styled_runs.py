"""StyleGAN from the command line: truncation in every verb that draws, editors of styles, published files."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from genbench.__main__ import main
from genbench.runs.score_file import read_scores
from tests.commands.test_adversarial_family import METHODS, SMALL
from tests.published.test_stylegan import discriminator, generator, rosinality


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("styled")
    assert main([*METHODS["stylegan"], *SMALL, f"output={output}", "name=run", "steps=3"]) == 0
    return next((output / "run").iterdir())


def pixels(folder: Path) -> list[bytes]:
    return [Image.open(path).tobytes() for path in sorted((folder / "images").iterdir())]


def test_truncated_samples_stand_beside_the_others(run: Path) -> None:
    for words in ([], ["truncation=0.5"], ["truncation=0"]):
        assert main(["sample", f"run={run}", "count=4", "device=cpu", *words]) == 0
    whole, half, mean = (
        pixels(run / "samples" / f"last_step3_seed0{name}") for name in ("", "_truncation0.5", "_truncation0")
    )
    assert whole != half
    assert len(set(mean)) == 1


def test_a_score_says_its_truncation(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", f"run={run}", "device=cpu", "metrics.scores=[fid,path_length]", "metrics.count=20"]
    assert main(words) == 0
    assert main([*words, "truncation=0.5"]) == 0
    rows = read_scores(run / "scores.json")
    assert {row["protocol"]["truncation"] for row in rows} == {0.5, 1.0}
    # The first row is of the training's end, which computes no path lengths.
    named = [row for row in rows if "path_length_z_digits" in row["values"]]
    values = {row["protocol"]["truncation"]: row["values"] for row in named}
    # Styles nearer to their mean change less with their latents.
    assert 0 < values[0.5]["path_length_z_digits"] < values[1.0]["path_length_z_digits"]
    capsys.readouterr()
    assert main(["report", f"runs={run}", f"out={run.parent / 'report'}"]) == 0
    assert "truncation 0.5" in (run.parent / "report" / "index.html").read_text()


@pytest.mark.parametrize(
    ("words", "scores"),
    [
        (["editor=interpolate", "editor.space=w", "editor.steps=3", "truncation=0.7"], {"neighbour_l1"}),
        (["editor=style_mixing", "editor.rows=1", "editor.columns=2", "editor.last=1"], set()),
        (["editor=project", "editor.steps=2", "editor.pictures=2"], {"mae", "distance"}),
    ],
)
def test_styles_are_edited(
    run: Path, tmp_path: Path, words: list[str], scores: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["edit", f"run={run}", "count=2", "device=cpu", f"out={tmp_path / 'out'}", *words]) == 0
    assert len(list((tmp_path / "out" / "pictures").iterdir())) == 2
    said = capsys.readouterr().out.partition("on average: ")[2]
    assert {part.split()[0] for part in said.split(", ") if part} == scores


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["edit", "editor=style_mixing", "editor.last=9"], "layers from 0 to 5"),
        (["edit", "editor=project", "editor.perceptual=lpips"], "VGG-16"),
        (["sample", "truncation=much"], "truncation"),
    ],
)
def test_what_does_not_do_gets_one_message(
    run: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(run / "nowhere"))
    assert main([*words, f"run={run}", "count=1", "device=cpu"]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.strip().splitlines()) == 1


def test_methods_without_styles_refuse_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*METHODS["gan"], *SMALL, f"output={tmp_path}", "steps=1"]) == 0
    (folder,) = (tmp_path / "gan_digits").iterdir()
    capsys.readouterr()
    for words, message in (
        (["sample", "truncation=0.5"], "knows no truncation=0.5"),
        (["edit", "editor=style_mixing"], "lacks the ability to draw a sample of styles"),
        (["edit", "editor=interpolate", "editor.space=w"], "such as stylegan"),
    ):
        assert main([*words, f"run={folder}", "device=cpu"]) == 2
        assert message in capsys.readouterr().err


class Module:
    """What a pickle names, in the place of the authors' class."""


def pickled(tensors: dict[str, torch.Tensor], **given: Any) -> Module:
    top = Module()
    top.__dict__ |= {"_parameters": {}, "_buffers": {}, "_modules": {}, "_init_kwargs": given}
    for name, tensor in tensors.items():
        *path, last = name.split(".")
        at = top
        for part in path:
            inner = at.__dict__["_modules"]
            if part not in inner:
                inner[part] = Module()
                inner[part].__dict__ |= {"_parameters": {}, "_buffers": {}, "_modules": {}}
            at = inner[part]
        at.__dict__["_parameters"][last] = tensor
    return top


def test_published_files_become_runs_that_are_drawn_from_and_trained_on(tmp_path: Path) -> None:
    torch.manual_seed(0)
    g, d = generator(), discriminator()
    file = tmp_path / "network.pkl"
    content = {"G": pickled(g), "D": pickled(d), "G_ema": pickled(g), "training_set_kwargs": {}, "augment_pipe": None}
    file.write_bytes(pickle.dumps(content))
    torch.manual_seed(0)
    torch.save(rosinality(), tmp_path / "network.pt")
    drawn = []
    for name in ("network.pkl", "network.pt"):
        run = tmp_path / name.partition(".")[2]
        assert main(["import", f"path={tmp_path / name}", f"out={run}"]) == 0
        assert main(["sample", f"run={run}", "count=3", "device=cpu", f"out={run}_drawn"]) == 0
        drawn.append(pixels(Path(f"{run}_drawn")))
    assert drawn[0] == drawn[1]
