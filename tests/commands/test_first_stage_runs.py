"""Autoencoders of maps and what is built on them, from the command line."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.__main__ import main
from tests.commands.small_runs import UNET, run_of, weights_of

SMALL = [
    "data=digits", "data.size=16", "data.batch_size=8", "trainer.accelerator=cpu", "callbacks.grid.count=4",
    "callbacks.nearest=null", "callbacks.scores=null", "metrics=none", "schedule@method.schedule=constant",
]  # fmt: skip
NARROW = [
    *SMALL, "network.autoencoder.width=8", "network.autoencoder.multipliers=[1,2]", "network.discriminator.width=8",
    "network.discriminator.layers=1", "method.discriminator_start=1", "network.autoencoder.latent_channels=4",
]  # fmt: skip
STAGES = {
    "vqgan": ["method=vqgan", *NARROW, "method.codes=16", "method.restart_below=1.0", "method.codebook_decay=0.9"],
    "vqgan_learnt": ["method=vqgan", *NARROW, "method.codes=16", "method.normalised=true"],
    "kl_autoencoder": ["method=kl_autoencoder", *NARROW],
}  # fmt: skip
IN_EACH_STEP = "method.latents_in=null"
LATENT = ["method=latent_diffusion", *SMALL, *UNET, "sampler.steps=2", "method.conditional=true", IN_EACH_STEP]
CODES = [
    "method=vqgan_transformer", *SMALL, IN_EACH_STEP, "network.transformer.width=16", "network.transformer.layers=1",
    "network.transformer.heads=2", "method.conditional=true", "method.top_k=5", "method.random_codes=0.1",
]  # fmt: skip


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: run_of(tmp_path_factory.mktemp(name), name, *words, "steps=4") for name, words in STAGES.items()}


@pytest.fixture(scope="module")
def latent(stages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = [*LATENT, f"parts.first_stage={stages['kl_autoencoder']}", "steps=4"]
    return run_of(tmp_path_factory.mktemp("latent"), "latent", *words)


@pytest.fixture(scope="module")
def codes(stages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = [*CODES, f"parts.first_stage={stages['vqgan']}", "steps=4"]
    return run_of(tmp_path_factory.mktemp("codes"), "codes", *words)


def assert_same(one: Path, other: Path) -> None:
    first, second = weights_of(one), weights_of(other)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("name", sorted(STAGES))
def test_first_stages_go_on_to_the_bit(name: str, stages: dict[str, Path], tmp_path: Path) -> None:
    halved = run_of(tmp_path, "halved", *STAGES[name], "steps=2")
    assert main(["train", f"run={halved}", "steps=4"]) == 0
    assert_same(stages[name], halved)


@pytest.mark.parametrize(("kind", "words", "stage"), [("latent", LATENT, "kl_autoencoder"), ("codes", CODES, "vqgan")])
def test_what_is_built_on_them_goes_on_to_the_bit(
    kind: str, words: list[str], stage: str, stages: dict[str, Path], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    halved = run_of(tmp_path, "halved", *words, f"parts.first_stage={stages[stage]}", "steps=2")
    assert main(["train", f"run={halved}", "steps=4"]) == 0
    whole = request.getfixturevalue(kind)
    assert_same(whole, halved)
    assert not any("first_stage" in name for name in weights_of(whole))


def test_reconstructions_are_drawn_and_scored(
    stages: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = stages["vqgan"]
    assert main(["sample", f"run={run}", "count=3", f"out={tmp_path / 'out'}"]) == 0
    assert len(list((tmp_path / "out" / "images").glob("*.png"))) == 3
    capsys.readouterr()
    assert main(["evaluate", f"run={run}", "count=40", "metrics=digits", "metrics.scores=[fid,psnr,ssim]"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("psnr", "ssim", "fid_digits", "codebook_perplexity", "codebook_used"))
    values = json.loads((run / "scores.json").read_text())["values"]
    assert 1 <= values["codebook_perplexity"] <= 16 * values["codebook_used"]
    # What has no codebook has no such figure.
    assert (
        main(["evaluate", f"run={stages['kl_autoencoder']}", "count=40", "metrics=digits", "metrics.scores=[psnr]"])
        == 0
    )
    assert "codebook" not in capsys.readouterr().out


def test_images_of_latents_are_drawn_and_a_run_is_whole(latent: Path, tmp_path: Path) -> None:
    assert main(["sample", f"run={latent}", "count=3", "label=2", f"out={tmp_path / 'out'}"]) == 0
    pictures = sorted((tmp_path / "out" / "images").glob("*.png"))
    assert [Image.open(each).size for each in pictures] == [(16, 16)] * 3
    assert (latent / "parts" / "first_stage" / "weights.safetensors").exists()


def test_images_of_codes_are_drawn_scored_and_made_larger(
    codes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", f"run={codes}", "count=3", "label=2", f"out={tmp_path / 'out'}"]) == 0
    assert len(list((tmp_path / "out" / "images").glob("*.png"))) == 3
    assert main(["evaluate", f"run={codes}", "count=40", "metrics=digits", "metrics.scores=[fid]"]) == 0
    values = json.loads((codes / "scores.json").read_text())["values"]
    # Untrained, it knows little more than that there are 16.
    assert values["bits_per_code"] == pytest.approx(4, abs=0.3)
    larger = ["edit", "editor=larger", f"run={codes}", "count=2", "label=3"]
    assert main([*larger, f"out={tmp_path / 'large'}"]) == 0
    pictures = sorted((tmp_path / "large" / "pictures").glob("*.png"))
    assert [Image.open(each).size for each in pictures] == [(32, 16)] * 2
    capsys.readouterr()
    assert main([*larger, "editor.times=[0.5,1]", f"out={tmp_path / 'no'}"]) == 2
    assert "at least 1" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "words", "stage"), [("latent", LATENT, "kl_autoencoder"), ("codes", CODES, "vqgan")])
def test_samples_encoded_once_are_those_encoded_in_each_step(
    kind: str, words: list[str], stage: str, stages: dict[str, Path], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    once = [*words, f"parts.first_stage={stages[stage]}", f"method.latents_in={tmp_path / 'latents'}"]
    run = run_of(tmp_path, "once", *once, "steps=4")
    (file,) = (tmp_path / "latents").glob("*.npy")
    written = file.stat().st_mtime_ns
    in_each_step, encoded_once = weights_of(request.getfixturevalue(kind)), weights_of(run)
    for name, value in in_each_step.items():
        # Codes are whole numbers; latents are kept as halves.
        tolerance = {"rtol": 0, "atol": 0} if kind == "codes" else {"rtol": 1e-2, "atol": 1e-3}
        torch.testing.assert_close(encoded_once[name], value, **tolerance)
    halved = run_of(tmp_path, "halved", *once, "steps=2")
    assert main(["train", f"run={halved}", "steps=4"]) == 0
    assert_same(run, halved)
    assert [each.stat().st_mtime_ns for each in (tmp_path / "latents").glob("*.npy")] == [written]


def test_other_weights_and_kinds_make_other_latents(stages: dict[str, Path], tmp_path: Path) -> None:
    for name, words, stage in (("one", LATENT, "vqgan"), ("two", LATENT, "kl_autoencoder"), ("three", CODES, "vqgan")):
        once = [*words, f"parts.first_stage={stages[stage]}", f"method.latents_in={tmp_path / 'latents'}", "steps=1"]
        run_of(tmp_path, name, *once)
    # One first stage has latents, and their codes.
    assert len([*(tmp_path / "latents").glob("*.npy")]) == 3


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["method.latents=draws"], "method.latents=draws draws them anew"),
        (
            [
                "method.conditional=false",
                "method.derive={_target_:genbench.conditions.derived.LowResolution,factor:2}",
            ],
            "the condition is derived from the samples themselves",
        ),
    ],
)
def test_latents_that_differ_each_time_are_encoded_in_each_step(
    words: list[str], reason: str, stages: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "latents"
    once = [*LATENT, f"parts.first_stage={stages['kl_autoencoder']}", f"method.latents_in={place}", "steps=1"]
    run_of(tmp_path, "run", *once, *words)
    assert f"samples are encoded in each step, not once: {reason}" in capsys.readouterr().out
    assert not place.exists()


def test_latents_that_can_be_kept_nowhere(
    stages: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    words = [*LATENT, f"parts.first_stage={stages['kl_autoencoder']}", f"method.latents_in={tmp_path / 'file'}"]
    assert main([*words, f"output={tmp_path / 'runs'}", "steps=1"]) == 2
    error = capsys.readouterr().err
    assert "latents can't be kept in method.latents_in=" in error
    assert "Traceback" not in error


def test_two_processes_encode_what_one_does(
    stages: dict[str, Path],
    tmp_path: Path,
    command_line: Callable[..., subprocess.CompletedProcess[str]],
    free_port: int,
) -> None:
    words = [*CODES, f"parts.first_stage={stages['vqgan']}", "data.batch_size=8", "steps=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_PORT": str(free_port)}
    two_processes = ["trainer=ddp", "trainer.devices=2", f"output={tmp_path}", f"method.latents_in={tmp_path / 'two'}"]
    done = command_line(*words, *two_processes, env=environment)
    assert done.returncode == 0, done.stderr
    run_of(tmp_path, "one", *words, f"method.latents_in={tmp_path / 'one_process'}")
    (two,), (one,) = (tmp_path / "two").glob("*.npy"), (tmp_path / "one_process").glob("*.npy")
    assert two.name == one.name
    found, expected = np.load(two), np.load(one)
    assert found.shape == expected.shape
    assert found.dtype == np.int32
    # Of another order of sums a vector between two codes may take the other one.
    assert (found == expected).mean() > 0.99


def test_what_is_no_first_stage_is_refused(latent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*LATENT, f"parts.first_stage={latent}", f"output={tmp_path}", "name=no"]) == 2
    assert "the ability to map an image to latents and back" in capsys.readouterr().err


def test_two_processes_learn_the_codebook_of_one(
    tmp_path: Path, command_line: Callable[..., subprocess.CompletedProcess[str]], free_port: int
) -> None:
    words = [*STAGES["vqgan"], "method.discriminator_weight=0", "method.restart_below=0", "steps=3"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_PORT": str(free_port)}
    two_processes = ["trainer=ddp", "trainer.devices=2", f"output={tmp_path}", "name=two"]
    done = command_line(*words, *two_processes, env=environment)
    assert done.returncode == 0, done.stderr
    (two,) = (tmp_path / "two").iterdir()
    one = run_of(tmp_path, "one", *words)
    first, second = weights_of(one), weights_of(two)
    for name, value in first.items():
        torch.testing.assert_close(
            second[name], value, rtol=1e-3, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("name", ["vqgan", "kl_autoencoder"])
def test_two_processes_train_with_a_discriminator(
    name: str, tmp_path: Path, command_line: Callable[..., subprocess.CompletedProcess[str]], free_port: int
) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_PORT": str(free_port)}
    two_processes = ["trainer=ddp", "trainer.devices=2", "steps=3", f"output={tmp_path}", "name=two"]
    done = command_line(*STAGES[name], *two_processes, env=environment)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "two").iterdir()
    assert all(value.isfinite().all() for value in weights_of(run).values())
