"""Editors that follow texts, from the command line: with a CLIP of another run, and of images that somebody gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.__main__ import main
from tests.commands.small_runs import UNET, run_of, weights_of
from tests.test_studies import run_study, table

DATA = ["data.count=40", "data.held_out=20", "data.batch_size=8", "trainer.accelerator=cpu"]
QUIET = ["callbacks.grid=null", "callbacks.nearest=null", "callbacks.scores=null"]
STYLED = ["network.generator.width=64", "network.discriminator.width=64", "network.generator.w_dim=8"]
PROMPT = "prompt=a red three on blue"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small runs of all that texts lead, and of two CLIPs."""
    folder = tmp_path_factory.mktemp("runs")
    first = ["experiment=vqgan_scenes", "data.size=32", "network.autoencoder.width=8", "network.discriminator.width=4"]
    chain = ["method=ddpm", "data=scenes", *UNET, "network=unet_small", "sampler.steps=2"]
    constant = "schedule@method.schedule=constant"
    words = {
        "clip": ["experiment=clip_scenes", constant],
        "scorer": ["experiment=clip_scenes", constant, "network=clip_small", "seed=1"],
        "vqgan": [*first, constant, "method.codes=8", "metrics=none"],
        "stylegan": ["experiment=stylegan_scenes", *STYLED, "method.latent_dim=8"],
        "diffusion": chain,
        "captioned": [
            "method=ddpm",
            "data=scenes",
            *UNET,
            "network=unet_small",
            "sampler.steps=2",
            "method.conditional=true",
        ],
    }
    return {name: run_of(folder, name, *own, *DATA, *QUIET, "steps=2") for name, own in words.items()}


EDITS: dict[str, list[str]] = {
    "vqgan_clip": ["vqgan", "editor.steps=4", "editor.lr=3", "editor.cutouts=2", "editor.pictures=2"],
    "clip_guided_diffusion": ["diffusion", "sampler.steps=2", "editor.cutouts=2"],
    "styleclip_optimization": ["stylegan", "editor.steps=2", "editor.pictures=2"],
    "styleclip_directions": [
        "stylegan",
        "editor.samples=2",
        "editor.threshold=0",
        "editor.source=a white one on black",
    ],
}


def edit(runs: dict[str, Path], out: Path, editor: str, *more: str) -> int:
    run, *words = EDITS[editor]
    directions = [f"editor.directions_in={out.parent / 'directions'}"] if editor == "styleclip_directions" else []
    own = [f"run={runs[run]}", f"clip={runs['clip']}", *words, *directions, f"out={out}", "count=2", "device=cpu"]
    return main(["edit", f"editor={editor}", *own, *more])


def pixels(out: Path) -> list[bytes]:
    return [Image.open(path).tobytes() for path in sorted((out / "pictures").iterdir())]


@pytest.mark.parametrize("editor", EDITS)
def test_texts_lead_pictures_by_a_clip(
    editor: str, runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert edit(runs, tmp_path / "one", editor, PROMPT, f"parts.scorer={runs['scorer']}") == 0
    said = capsys.readouterr().out.partition("on average: ")[2]
    assert {"cosine", "held_out_cosine"} <= {part.split()[0] for part in said.split(", ")}
    # The same command makes the same pictures, to the bit; another text others.
    assert edit(runs, tmp_path / "two", editor, PROMPT, f"parts.scorer={runs['scorer']}") == 0
    assert pixels(tmp_path / "one") == pixels(tmp_path / "two")
    assert edit(runs, tmp_path / "three", editor, "prompt=a green seven on yellow") == 0
    assert pixels(tmp_path / "one") != pixels(tmp_path / "three")
    assert (tmp_path / "one" / "grid.png").is_file()


@pytest.mark.parametrize("editor", EDITS)
def test_images_of_ones_own_are_changed(editor: str, runs: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(3):
        image = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(image).save(folder / f"{number}.png")
    search = ["editor.search_steps=2"] if editor.startswith("styleclip") else []
    assert edit(runs, tmp_path / "out", editor, PROMPT, f"images={folder}", *search, "count=3") == 0
    assert len(pixels(tmp_path / "out")) == 3


def test_each_line_of_a_file_is_a_prompt(runs: dict[str, Path], tmp_path: Path) -> None:
    lines = tmp_path / "prompts.txt"
    lines.write_text("a red three on blue:2|a white one on black:-1\n\na green seven on yellow\n")
    assert edit(runs, tmp_path / "out", "vqgan_clip", f"prompts={lines}") == 0
    alone = edit(runs, tmp_path / "alone", "vqgan_clip", "prompt=a red three on blue:2|a white one on black:-1")
    assert alone == 0
    assert pixels(tmp_path / "out")[0] == pixels(tmp_path / "alone")[0]
    assert pixels(tmp_path / "out")[1] != pixels(tmp_path / "alone")[1]


def test_a_picture_is_a_prompt_too(runs: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "others"
    folder.mkdir()
    Image.new("RGB", (32, 32), "red").save(folder / "red.png")
    assert edit(runs, tmp_path / "out", "vqgan_clip", PROMPT, f"others={folder}") == 0
    assert edit(runs, tmp_path / "without", "vqgan_clip", PROMPT) == 0
    assert pixels(tmp_path / "out") != pixels(tmp_path / "without")


def test_a_layer_is_laid_over_images_by_a_clip_alone(runs: dict[str, Path], tmp_path: Path) -> None:
    words = ["editor=text2live", f"run={runs['clip']}", "editor.steps=2", "editor.views=2", "editor.network.width=8"]
    texts = [PROMPT, "editor.region=a three", "editor.source=a white one on black", "editor.templates=[{}, two {}]"]
    assert main(["edit", *words, *texts, "count=2", "device=cpu", f"out={tmp_path / 'out'}"]) == 0
    assert len(list((tmp_path / "out" / "beside").iterdir())) == 2
    assert (tmp_path / "out" / "scores.json").is_file()


def test_a_mapper_is_trained_for_a_text_goes_on_to_the_bit_and_edits(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [
        f"parts.generator={runs['stylegan']}",
        f"parts.embedder={runs['clip']}",
        "method.prompt=a red three on blue",
    ]
    words = ["experiment=styleclip_mapper_scenes", *DATA, *QUIET, *parts]
    whole = run_of(tmp_path, "whole", *words, "steps=4")
    halved = run_of(tmp_path, "halved", *words, "steps=2")
    assert main(["train", f"run={halved}", "steps=4"]) == 0
    one, two = weights_of(whole), weights_of(halved)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not any(name.startswith(("generator", "embedder")) for name in one)
    assert main(["edit", "editor=styleclip_mapper", f"run={whole}", "count=2", "device=cpu"]) == 0
    assert main(["sample", f"run={whole}", "count=2", "device=cpu"]) == 0
    capsys.readouterr()
    assert main([*words[:-1], "method.prompt=a purple cow", "name=bad", "steps=2"]) == 2
    assert "purple" in capsys.readouterr().err
    assert main([*words[:-1], "name=none", "steps=2"]) == 2
    assert "method.prompt=TEXT" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("editor", "words", "message"),
    [
        ("vqgan_clip", [], "needs prompt=TEXT"),
        ("vqgan_clip", ["prompt=a purple cow"], "purple"),
        ("vqgan_clip", ["prompt=a red three:0"], "weight"),
        ("vqgan_clip", [PROMPT, "label=3"], "no effect"),
        ("vqgan_clip", [PROMPT, "parts.clip=null"], "give parts.clip=RUN"),
        ("styleclip_directions", [PROMPT, "editor.source=a red three on blue"], "is editor.source"),
        ("clip_guided_diffusion", [PROMPT, "editor.begin=2"], "begin"),
    ],
)
def test_what_does_not_do_gets_one_message(
    editor: str, words: list[str], message: str, runs: dict[str, Path], tmp_path: Path, capsys: Any
) -> None:
    capsys.readouterr()
    assert edit(runs, tmp_path / "out", editor, *words) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_other_runs_lack_what_an_editor_needs(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["editor=vqgan_clip", f"run={runs['stylegan']}", f"clip={runs['clip']}", PROMPT, "device=cpu"]
    assert main(["edit", *words, f"out={tmp_path}"]) == 2
    assert "lacks the ability" in capsys.readouterr().err


def test_all_ways_are_in_one_table(runs: dict[str, Path], tmp_path: Path) -> None:
    kinds = [runs[name] for name in ("captioned", "vqgan", "diffusion")]
    words = ["--clip", runs["clip"], "--features", runs["scorer"], "--count", 3, "--steps", 1, "--out", tmp_path]
    run_study("text_driven/study.py", *kinds, *words)
    rows = table(tmp_path / "text_driven.csv")
    names = ["ddpm", "vqgan_clip", "clip_guided_diffusion"]
    assert [row["way"] for row in rows] == [name for name in names for _ in range(2)]
    assert {row["captions"] for row in rows} == {"held out", "unseen pairs"}
    assert all(float(row["fid"]) > 0 and float(row["diversity"]) >= 0 and float(row["seconds"]) > 0 for row in rows)
    assert len(list(tmp_path.glob("*.png"))) == 3
