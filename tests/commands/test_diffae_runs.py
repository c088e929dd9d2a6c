"""Diffusion autoencoders from the command line: the autoencoder, its latent model, and its editors."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from genbench.__main__ import main
from tests.commands.small_runs import run_of, weights_of

SMALL = [
    "data=digits", "data.size=8", "data.batch_size=8", "trainer.accelerator=cpu", "callbacks.grid.count=4",
    "callbacks.nearest=null", "callbacks.scores=null", "metrics=none", "schedule@method.schedule=constant",
    "sampler.steps=2",
]  # fmt: skip
AUTOENCODER = [
    "method=diffae", *SMALL, "network.denoiser.width=8", "network.denoiser.multipliers=[1]", "method.embedding_dim=6",
    "network.denoiser.attention=[]", "network.encoder.width=8", "network.encoder.multipliers=[1,2]",
]  # fmt: skip
LATENT = [
    "method=diffae_latent",
    *SMALL,
    "method.latents_in=null",
    "network.denoiser.width=8",
    "network.denoiser.layers=2",
]


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(tmp_path_factory.mktemp("autoencoder"), "autoencoder", *AUTOENCODER, "steps=4")


@pytest.fixture(scope="module")
def latent(autoencoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = [*LATENT, f"parts.autoencoder={autoencoder}", "method.conditional=true", "steps=4"]
    return run_of(tmp_path_factory.mktemp("latent"), "latent", *words)


@pytest.mark.parametrize("kind", ["autoencoder", "latent"])
def test_both_go_on_to_the_bit(kind: str, autoencoder: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    words = AUTOENCODER if kind == "autoencoder" else [*LATENT, f"parts.autoencoder={autoencoder}"]
    more = [] if kind == "autoencoder" else ["method.conditional=true"]
    halved = run_of(tmp_path, "halved", *words, *more, "steps=2")
    assert main(["train", f"run={halved}", "steps=4"]) == 0
    whole, resumed = weights_of(request.getfixturevalue(kind)), weights_of(halved)
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_images_are_drawn_from_scratch_and_reconstructed(
    autoencoder: Path, latent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", f"run={latent}", "count=3", "label=2", f"out={tmp_path / 'out'}"]) == 0
    assert len(list((tmp_path / "out" / "images").glob("*.png"))) == 3
    for editor, width, words in (
        ("reconstruct", 3, ["editor.steps=3"]),
        ("mix_images", 4, ["editor.pictures=4", "editor.steps=3", "editor.path=linear"]),
        ("variations", 3, ["editor.variations=2"]),
    ):
        out = tmp_path / editor
        assert main(["edit", f"editor={editor}", f"run={autoencoder}", "count=2", *words, f"out={out}"]) == 0
        pictures = sorted((out / "pictures").glob("*.png"))
        assert [Image.open(each).size for each in pictures] == [(width * 8, 8)] * 2
    # Whom images are led to is of the edit: other ones have a folder of their own.
    mix = ["edit", "editor=mix_images", f"run={autoencoder}", "count=1", "editor.pictures=2", "editor.steps=3"]
    for name in ("white", "black"):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8), 255 * (name == "white")).save(tmp_path / name / "0.png")
        assert main([*mix, f"images={tmp_path / 'white'}", f"others={tmp_path / name}"]) == 0
    assert len(list((autoencoder / "edits").iterdir())) == 2
    assert main(["evaluate", f"run={autoencoder}", "count=40", "metrics=digits", "metrics.scores=[fid,psnr]"]) == 0
    assert "psnr" in capsys.readouterr().out
    assert main(["edit", "editor=reconstruct", f"run={latent}", f"out={tmp_path / 'no'}"]) == 2
    assert "lacks the ability" in capsys.readouterr().err


def test_classes_of_images_are_changed(autoencoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "method=semantic_classifier", *[word for word in SMALL if "sampler" not in word],
        f"parts.autoencoder={autoencoder}", f"method.latents_in={tmp_path / 'latents'}",
    ]  # fmt: skip
    run = run_of(tmp_path, "classifier", *words, "steps=4")
    halved = run_of(tmp_path, "halved", *words, "steps=2")
    assert main(["train", f"run={halved}", "steps=4"]) == 0
    whole, resumed = weights_of(run), weights_of(halved)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    edit = ["edit", "editor=manipulate", f"run={run}", "count=2", "editor.steps=3", "editor.pictures=3"]
    assert main([*edit, "editor.target=7", f"out={tmp_path / 'out'}"]) == 0
    pictures = sorted((tmp_path / "out" / "pictures").glob("*.png"))
    assert [Image.open(each).size for each in pictures] == [(24, 8)] * 2
    capsys.readouterr()
    for word, said in (
        ("eleven", "eleven is no class or attribute of the classifier"),
        ("null", "target must be one of"),
    ):
        assert main([*edit, f"editor.target={word}", f"out={tmp_path / 'no'}"]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert "Traceback" not in error
