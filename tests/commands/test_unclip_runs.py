"""unCLIP from the command line: a CLIP, a prior and a decoder of it, and the model that is assembled of them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.__main__ import main
from tests.commands.small_runs import UNET, run_of

DATA = ["data.count=40", "data.held_out=20", "data.batch_size=8", "trainer.accelerator=cpu"]
CHAIN = ["sampler.steps=2", "method.process.steps=10", "schedule@method.schedule=constant"]
QUIET = ["callbacks.grid.count=4", "callbacks.nearest=null"]
PRIOR = ["experiment=prior_scenes", *DATA, *CHAIN, "network.denoiser.width=16", "network.denoiser.layers=1"]
DECODER = ["experiment=unclip_decoder_scenes", *DATA, *CHAIN, *QUIET, *UNET, "network.denoiser.patch=4"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = ["experiment=clip_scenes", *DATA, "schedule@method.schedule=constant", "steps=1"]
    return run_of(tmp_path_factory.mktemp("clip"), "clip", *words)


@pytest.fixture(scope="module")
def prior(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(tmp_path_factory.mktemp("prior"), "prior", *PRIOR, f"parts.embedder={clip}", "steps=4")


@pytest.fixture(scope="module")
def decoder(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(tmp_path_factory.mktemp("decoder"), "decoder", *DECODER, f"parts.embedder={clip}", "steps=4")


@pytest.fixture(scope="module")
def unclip(prior: Path, decoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts = [f"parts.prior={prior}", f"parts.decoder={decoder}"]
    words = ["experiment=unclip_scenes", *DATA, *parts, "sampler.steps=2"]
    return run_of(tmp_path_factory.mktemp("unclip"), "unclip", *words)


@pytest.mark.parametrize(("kind", "words"), [("prior", PRIOR), ("decoder", DECODER)])
def test_runs_go_on_to_the_bit(
    kind: str, words: list[str], clip: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    halved = run_of(tmp_path, "halved", *words, f"parts.embedder={clip}", "steps=2")
    assert main(["train", f"run={halved}", "steps=4"]) == 0
    whole, resumed = (
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for run in (request.getfixturevalue(kind), halved)
    )
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not any("embedder" in name for name in whole)


def test_a_prior_draws_embeddings(prior: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["sample", f"run={prior}", "count=3", "prompt=a white one on black", f"out={out}"]) == 0
    (first, *_) = files = sorted(out.rglob("*.npy"))
    assert len(files) == 3
    assert np.linalg.norm(np.load(first)) == pytest.approx(1, abs=1e-5)
    assert main(["evaluate", f"run={prior}", "metrics=inception", "count=64"]) == 2
    assert "embeddings" in capsys.readouterr().err


def test_prompts_are_drawn_and_bad_ones_get_one_message(
    unclip: Path, prior: Path, decoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["count=3", "prompt=a white one on black"]
    assert main(["sample", f"run={unclip}", *words, f"out={tmp_path / 'one'}"]) == 0
    pictures = sorted((tmp_path / "one" / "images").glob("*.png"))
    assert [Image.open(each).size for each in pictures] == [(32, 32)] * 3
    # The assembled run is whole without its parts' own folders.
    moved = shutil.copytree(unclip, tmp_path / "moved")
    assert main(["sample", f"run={moved}", *words, f"out={tmp_path / 'two'}"]) == 0
    again = sorted((tmp_path / "two" / "images").glob("*.png"))
    assert [each.read_bytes() for each in again] == [each.read_bytes() for each in pictures]
    capsys.readouterr()
    assert main(["sample", f"run={unclip}", "count=1", "prompt=a purple one", f"out={tmp_path / 'no'}"]) == 2
    assert "purple" in capsys.readouterr().err
    assert main(["sample", f"run={decoder}", "count=1", "prompt=a white one", f"out={tmp_path / 'no'}"]) == 2
    assert "method=unclip" in capsys.readouterr().err
    assert main(["evaluate", f"run={unclip}", "count=20"]) == 0
    assert "alignment" in capsys.readouterr().out


def test_images_are_varied_mixed_and_led_to_captions(
    unclip: Path, decoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def edited(run: Path, name: str, width: int, *words: str) -> None:
        out = tmp_path / f"{name}_{run.parent.name}"
        assert main(["edit", f"editor={name}", f"run={run}", "count=3", f"out={out}", *words]) == 0
        pictures = sorted((out / "pictures").glob("*.png"))
        assert [Image.open(each).size for each in pictures] == [(width * 32, 32)] * 3

    for run in (unclip, decoder):
        edited(run, "variations", 3, "editor.variations=2")
        edited(run, "mix_images", 4, "editor.pictures=4", "editor.steps=3")
    edited(unclip, "text_difference", 5, "prompt=a white one on black", "editor.steps=3")
    # The decoder's sampler may be replaced, as for inverted variations it must be.
    words = ["edit", "editor=variations", f"run={unclip}", "count=2", "editor.start=inverted", "editor.steps=3"]
    for name, eta in (("still", 0), ("noisy", 1)):
        more = ["sampler=ddim", "sampler.steps=3", f"sampler.eta={eta}", "guidance=2", f"out={tmp_path / name}"]
        assert main([*words, *more]) == 0
    strips = [next((tmp_path / name / "pictures").glob("*.png")) for name in ("still", "noisy")]
    still, noisy = (np.asarray(Image.open(each)).reshape(32, 5, 32, -1).swapaxes(0, 1) for each in strips)
    assert all((still[1] == each).all() for each in still[2:])
    assert not (noisy[1] == noisy[2]).all()
    capsys.readouterr()
    words = ["count=1", f"out={tmp_path / 'no'}"]
    assert main(["edit", "editor=text_difference", f"run={unclip}", *words]) == 2
    assert "takes the prompt=" in capsys.readouterr().err
    assert main(["edit", "editor=text_difference", f"run={decoder}", *words, "prompt=a white one on black"]) == 2
    assert "lacks the ability to draw images of an embedding, and to embed captions" in capsys.readouterr().err
    assert main(["edit", "editor=text_difference", f"run={unclip}", *words, "editor.source=a purple one"]) == 2
    assert "purple" in capsys.readouterr().err


def test_a_prior_and_a_decoder_of_different_clips_are_refused(
    prior: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["experiment=clip_scenes", *DATA, "schedule@method.schedule=constant", "steps=1", "seed=1"]
    other = run_of(tmp_path, "clip", *words)
    stranger = run_of(tmp_path, "decoder", *DECODER, f"parts.embedder={other}", "steps=1")
    parts = [f"parts.prior={prior}", f"parts.decoder={stranger}"]
    assert main(["experiment=unclip_scenes", *DATA, *parts, f"output={tmp_path}", "name=no"]) == 2
    assert "must be of the same CLIP" in capsys.readouterr().err
