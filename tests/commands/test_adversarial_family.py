"""Each adversarial method from the command line: resumed to the bit, on two processes, sampled by one verb."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from genbench.__main__ import main
from tests.commands.test_train import assert_same, last_checkpoint

CommandLine = Callable[..., subprocess.CompletedProcess[str]]

NARROW = ["network.generator.width=4", "network.discriminator.width=4"]
DIGITS = ["data=digits", "data.size=16"]
METHODS = {
    "gan": ["experiment=gan_digits", *NARROW],
    "gan_tricks": [
        "experiment=gan_digits", *NARROW, "network.discriminator.norm=none", "method.objective=least_squares",
        "method.label_smoothing=0.1", "method.instance_noise=0.2", "method.spectral_norm=true", "method.r1=0.1",
    ],
    "wgan": ["experiment=wgan_mnist", *DIGITS, *NARROW, "method.long_steps=3", "method.discriminator_steps=2"],
    "wgan_gp": ["experiment=wgan_gp_mnist", *DIGITS, *NARROW, "method.discriminator_steps=2"],
    "cgan": ["experiment=cgan_mnist", *DIGITS, *NARROW],
    "cgan_projection": ["experiment=cgan_mnist", *DIGITS, *NARROW, "method.joining=projection"],
    "stylegan": [
        "experiment=stylegan_digits", "data.size=16", "network.generator.width=64", "network.discriminator.width=64",
        "network.generator.w_dim=8", "method.latent_dim=8", "method.r1_every=3", "method.path_length_every=2",
        "method.adaptive.every=2",
    ],
    "stylegan_of_classes": [
        "experiment=stylegan_digits", "data.size=8", "network.generator.width=32", "network.discriminator.width=32",
        "network.generator.w_dim=8", "method.latent_dim=8", "method.conditional=true", "method.truncation=0.7",
    ],
    "pix2pix": ["experiment=pix2pix_edges2digits", "data.source=digits", "data.size=16", *NARROW],
    "cyclegan": [
        "experiment=cyclegan_digits", "data.domains=digits_tilted", "data.size=16", *NARROW,
        "network.generator.blocks=1", "method.pool_size=5", "schedule.constant_steps=3", "schedule.steps=9",
    ],
    "stargan": [
        "method=stargan", *DIGITS, *NARROW, "network.generator.blocks=1", "network.discriminator.layers=2",
        "method.discriminator_steps=2",
    ],
    "stargan_v2": [
        "method=stargan_v2", "data=digits", "data.size=32", "network.generator.width=128",
        "network.discriminator.width=128", "network.style_encoder.width=128", "network.mapping.width=8",
        "method.style_dim=4", "method.diversity_steps=6",
    ],
}  # fmt: skip
SMALL = ["data.batch_size=8", "metrics.count=20", "trainer.accelerator=cpu", "callbacks.grid.count=4"]


def run_folder(output: Path, name: str) -> Path:
    (folder,) = (output / name).iterdir()
    return folder


@pytest.mark.parametrize("method", sorted(METHODS))
def test_resumed_to_the_bit_and_sampled_by_the_same_verb(tmp_path: Path, method: str) -> None:
    def train(name: str, steps: int) -> Path:
        assert main([*METHODS[method], *SMALL, f"output={tmp_path}", f"name={name}", f"steps={steps}"]) == 0
        return run_folder(tmp_path, name)

    whole, parted = train("whole", 9), train("parted", 4)
    assert main(["train", f"run={parted}", "steps=9"]) == 0
    one, two = last_checkpoint(whole), last_checkpoint(parted)
    for part in ("state_dict", "optimizer_states"):
        assert_same(one[part], two[part], part)
    assert main(["sample", f"run={whole}", "count=5", "device=cpu", f"out={tmp_path / 'drawn'}"]) == 0
    drawn = [Image.open(path) for path in sorted((tmp_path / "drawn" / "images").iterdir())]
    assert [image.size for image in drawn] == [(drawn[0].width, drawn[0].width)] * 5


@pytest.mark.parametrize("method", ["wgan_gp", "cgan", "stylegan", "pix2pix", "cyclegan", "stargan", "stargan_v2"])
def test_two_processes_train_each(method: str, command_line: CommandLine, tmp_path: Path, free_port: int) -> None:
    done = command_line(
        *METHODS[method], *SMALL, "steps=4", f"output={tmp_path}", "name=two", "trainer=ddp", "trainer.devices=2",
        env={**os.environ, "OMP_NUM_THREADS": "1", "MASTER_PORT": str(free_port)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    checkpoint = last_checkpoint(run_folder(tmp_path, "two"))
    assert checkpoint["global_step"] == 4
    assert all(value.isfinite().all() for value in checkpoint["state_dict"].values() if value.is_floating_point())


def test_a_translation_is_scored_one_by_one_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for method, scores in (
        ("pix2pix", {"mae", "ssim", "target_agreement_digits"}),
        ("cyclegan", {"in_target_domain_digits", "domain_accuracy_digits", "cycle_source", "cycle_target"}),
    ):
        assert main([*METHODS[method], *SMALL, f"output={tmp_path}", "steps=2"]) == 0
        (folder,) = (tmp_path).glob(f"{method}_*/*")
        assert main(["evaluate", f"run={folder}", "device=cpu"]) == 0
        found = json.loads((folder / "scores.json").read_text())
        assert scores <= set(found["values"])
        assert found["protocol"]["translation_split"] == "test"
        assert found["protocol"]["translation_count"] == 20
    capsys.readouterr()
    # One's own images, there and back.
    mine = tmp_path / "mine"
    mine.mkdir()
    for shade in (0, 100, 255):
        Image.new("L", (16, 16), shade).save(mine / f"{shade}.png")
    assert main(["sample", f"run={folder}", f"sources={mine}", "back=true", "device=cpu", f"out={tmp_path / 'b'}"]) == 0
    assert len(list((tmp_path / "b" / "images").iterdir())) == 3
    with Image.open(tmp_path / "b" / "grid.png") as grid:
        assert grid.width > grid.height
    (pix2pix,) = tmp_path.glob("pix2pix_*/*")
    for arguments, message in (
        ([f"run={pix2pix}", "back=true"], "no way back"),
        ([f"run={pix2pix}", "label=3"], "label=3 has no effect"),
        ([f"run={pix2pix}", f"sources={tmp_path / 'none'}"], "none"),
    ):
        assert main(["sample", *arguments, "device=cpu"]) == 2
        assert message in capsys.readouterr().err
    Image.new("L", (8, 8)).save(mine / "0.png")
    assert main(["sample", f"run={pix2pix}", f"sources={mine}", "device=cpu"]) == 2
    assert "(1, 16, 16)" in capsys.readouterr().err


def test_a_method_and_data_that_do_not_go_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (["method=pix2pix", "data=digits", "data.size=32"], "takes pairs of images"),
        (["method=cyclegan", "data=digits"], "takes two domains"),
        (["method=cgan", "data=edges2digits", "data.source=digits"], "data with classes"),
        (["experiment=gan_digits", "method.r1=1"], "norm=none"),
        (["experiment=gan_digits", "method.objective=hinge", "method.label_smoothing=0.1"], "no labels"),
        (["experiment=gan_digits", "method.objective=best"], "hinge"),
        (
            ["experiment=cyclegan_digits", "data.domains=digits_tilted", "schedule.steps=1001", "steps=1002"],
            "rate is 0",
        ),
    ):
        assert main([*arguments, f"output={tmp_path}"]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("experiment", "layout"),
    [
        ("pix2pix_folder", "paired"),
        ("cyclegan_folder", "unpaired"),
        ("translator_folder", "unpaired"),
        ("dcgan_anime", "plain"),
    ],
)
def test_the_papers_sizes_run_on_small_folders(
    tmp_path: Path, experiment: str, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    size = (512, 256) if layout == "paired" else (256, 256)
    folders = {"paired": ("train", "val"), "unpaired": ("trainA", "trainB", "testA", "testB"), "plain": (".",)}[layout]
    generator = torch.Generator().manual_seed(0)
    for folder in folders:
        (tmp_path / "root" / folder).mkdir(parents=True, exist_ok=True)
        for index in range(2 if layout != "plain" else 8):
            pixels = torch.randint(0, 256, (*reversed(size), 3), dtype=torch.uint8, generator=generator)
            Image.fromarray(pixels.numpy()).save(tmp_path / "root" / folder / f"{index}.png")
    small = ["callbacks.grid.count=1", "trainer.accelerator=cpu", "data.workers=1"]
    if layout == "plain":
        small += ["data.batch_size=4"]
    else:
        # The paper's depths at an eighth of its widths: this is a test, not a training.
        small += ["network.generator.width=8", "network.discriminator.width=8"]
    assert main([f"experiment={experiment}", f"data.root={tmp_path / 'root'}", "steps=1", *small]) == 0
    (folder,) = (tmp_path / "outputs" / experiment).iterdir()
    assert (folder / "samples" / "step_0000001.png").is_file()
