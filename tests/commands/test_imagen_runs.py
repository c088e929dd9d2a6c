"""Imagen from the command line: a language model, a base model, an upsampler and the cascade of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from genbench.__main__ import main
from tests.commands.small_runs import UNET, run_of, weights_of
from tests.language_models import folder_of

pytest.importorskip("transformers")

SMALL = [
    "data.count=40", "data.held_out=20", "data.batch_size=16", "trainer.accelerator=cpu", "callbacks.nearest=null",
    "callbacks.grid.count=4", "sampler.steps=2", "method.process.steps=10",
    "schedule@method.schedule=constant", *UNET, "network.denoiser.patch=4",
]  # fmt: skip


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("language")
    assert main(["import", f"path={folder_of(folder / 'model', 'bert')}", f"out={folder / 'run'}"]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def base(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = ["experiment=imagen_scenes", *SMALL, "metrics=none", f"parts.text_encoder={encoder}"]
    return run_of(tmp_path_factory.mktemp("base"), "base", *words, "steps=4")


def drawn(run: Path, out: Path, *words: str) -> list[bytes]:
    assert main(["sample", f"run={run}", "count=3", "device=cpu", f"out={out}", *words]) == 0
    return [Image.open(path).tobytes() for path in sorted((out / "images").glob("*.png"))]


def test_a_run_goes_on_to_the_bit_from_its_own_copy_of_the_encoder(base: Path, encoder: Path, tmp_path: Path) -> None:
    words = ["experiment=imagen_scenes", *SMALL, "metrics=none", f"parts.text_encoder={encoder}"]
    halved = run_of(tmp_path, "halved", *words, "steps=2")
    assert main(["train", f"run={halved}", "steps=4"]) == 0
    whole, resumed = weights_of(base), weights_of(halved)
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not any("text_encoder" in name for name in whole)
    assert (base / "parts" / "text_encoder" / "weights.safetensors").is_file()


def test_prompts_are_drawn_and_bad_ones_get_one_message(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(drawn(base, tmp_path / "one", "prompt=a white one on black")) == 3
    assert main(["sample", f"run={base}", "count=1", "prompt=a purple one", f"out={tmp_path / 'two'}"]) == 2
    assert "purple" in capsys.readouterr().err


def test_a_cascade_draws_what_its_parts_draw(base: Path, encoder: Path, tmp_path: Path) -> None:
    words = ["experiment=upsampler_scenes", *SMALL]
    upsampler = run_of(tmp_path, "up", *words, f"parts.text_encoder={encoder}", "steps=2", "method.crop=32")
    # By itself it enlarges held-out images, each beside its source.
    assert len(drawn(upsampler, tmp_path / "enlarged")) == 3
    parts = [f"parts.base={base}", f"parts.upsampler={upsampler}"]
    cascade = run_of(tmp_path, "cascade", "experiment=imagen_cascade_scenes", *SMALL[:3], *parts)
    images = drawn(cascade, tmp_path / "drawn", "prompt=a white one on black")
    assert len(images) == 3
    assert Image.open(tmp_path / "drawn" / "images" / "000000.png").size == (64, 64)
    assert images == drawn(cascade, tmp_path / "again", "prompt=a white one on black")


def test_parts_that_do_not_go_together_get_one_message(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cascade = ["experiment=imagen_cascade_scenes", *SMALL[:3], f"output={tmp_path}"]
    assert main([*cascade, f"parts.base={base}", f"parts.upsampler={base}"]) == 2
    assert "the ability to enlarge images, of captions or not" in capsys.readouterr().err
    assert main(["experiment=imagen_scenes", f"parts.text_encoder={base}", f"output={tmp_path}"]) == 2
    assert "the ability to encode a text" in capsys.readouterr().err


def test_two_processes_train_on_one_encoder(encoder: Path, tmp_path: Path, command_line: Callable[..., Any]) -> None:
    words = ["experiment=imagen_scenes", *SMALL, "metrics=none", f"parts.text_encoder={encoder}"]
    result = command_line(
        *words, "steps=2", f"output={tmp_path}", "name=two", "trainer=ddp",
        "trainer.devices=2",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    (run,) = (tmp_path / "two").iterdir()
    assert not any("text_encoder" in name for name in weights_of(run))
