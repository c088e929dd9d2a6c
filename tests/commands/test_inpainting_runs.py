"""Text inpainting from the command line: fine-tuned from a base by `init`, and edited with by its own sampler."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.__main__ import main
from tests.commands.small_runs import run_of
from tests.commands.test_edit import pictures, refused

WORDS = [
    *("data=captioned_digits", "data.size=8", "data.batch_size=32", "trainer.accelerator=cpu", "metrics=none"),
    *("network=unet_small", "network.denoiser.width=8", "network.denoiser.multipliers=[1]"),
    *("callbacks.grid=null", "callbacks.nearest=null", "callbacks.scores=null"),
    *("method.process.steps=20", "sampler=ddim", "sampler.steps=4", "method.optimizer.lr=0.01"),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(tmp_path_factory.mktemp("base"), "base", "method=ddpm", "method.conditional=true", *WORDS, "steps=8")


@pytest.fixture(scope="module")
def fills_in(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    method = ["method=glide", "method.objective=simple", "method.inpainting=true"]
    return run_of(tmp_path_factory.mktemp("fine"), "fine", *method, *WORDS, "steps=4", f"init={base}")


def test_its_first_layer_is_the_bases_and_zeros(base: Path, fills_in: Path) -> None:
    facts = json.loads((fills_in / "manifest.json").read_text())["initialised"]
    assert [line.partition(" ")[0] for line in facts["adapted"]] == [
        "denoiser.from_image.weight",
        "average.module.from_image.weight",
    ]
    assert "(8, 3, 3, 3), there (8, 1, 3, 3)" in facts["adapted"][0]
    assert facts["not_initialised"] == []


def test_init_says_what_it_adapts(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    method = ["method=glide", "method.objective=simple", "method.inpainting=true", "method.optimizer.lr=1e-30"]
    method += ["steps=1", "schedule.warmup_steps=0"]
    run = run_of(tmp_path, "still", *[word for word in WORDS if ".lr=" not in word], *method, f"init={base}")
    assert "2 are adapted, what is new in them beginning at zero: denoiser.from_image" in capsys.readouterr().out
    states = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for folder in (base, run)
    )
    before, after = (state["denoiser.from_image.weight"] for state in states)
    assert torch.equal(after[:, :1], before)
    assert after[:, 1:].abs().max() < 1e-20


def test_it_edits_by_its_own_sampler_and_keeps_what_is_known(
    fills_in: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8), np.uint8)
    (tmp_path / "images").mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "images" / f"{number}.png")
    words = ["edit", "editor=inpaint", f"run={fills_in}", f"images={tmp_path / 'images'}", "device=cpu", "mask=left"]
    for name, more in (
        ("three", ["prompt=a three"]),
        ("seven", ["prompt=a seven"]),
        ("guided", ["prompt=a seven", "guidance=9"]),
        ("nothing", []),
        ("other", ["prompt=a three", "sampler=ancestral", "sampler.steps=3"]),
    ):
        assert main([*words, *more, f"out={tmp_path / name}"]) == 0
    found = {name: pictures(tmp_path / name) for name in ("three", "seven", "guided", "nothing", "other")}
    for filled in found.values():
        assert (filled[:, :, 4:] == images[:, :, 4:]).all()
    others = [found[name] for name in ("seven", "nothing", "other")]
    assert all((found["three"] != other).any() for other in others)
    assert (found["guided"] != found["seven"]).any()
    assert "sampler=repaint is not for" in refused(capsys, *words, "sampler=repaint")
    assert "sampler=repaint is not for" in refused(capsys, *words, "sampler.steps=3")


def test_a_base_goes_on_by_repaint(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["edit", "editor=inpaint", f"run={base}", "count=2", "device=cpu", "mask=left", "prompt=a three"]
    assert main([*words, "sampler.steps=3", "sampler.resamplings=1", f"out={tmp_path / 'out'}"]) == 0
    assert "sampler=repaint alone" in refused(capsys, *words, "sampler=ddim")


def test_it_draws_without_a_picture(fills_in: Path, tmp_path: Path) -> None:
    assert main(["sample", f"run={fills_in}", "prompt=a three", "count=2", "device=cpu", f"out={tmp_path / 'o'}"]) == 0
    assert len(pictures(tmp_path / "o", "images")) == 2
