"""Methods that denoise, from the command line: resumed to the bit, on two processes, drawn by any sampler."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genbench.__main__ import main
from genbench.runs.folder import RunFolder
from tests.commands.test_train import assert_same, last_checkpoint

CommandLine = Callable[..., subprocess.CompletedProcess[str]]

SMALL = [
    "data.size=8", "data.batch_size=8", "metrics.count=20", "trainer.accelerator=cpu", "callbacks.grid.count=4",
    "trainer.log_every_n_steps=2",
]  # fmt: skip
NARROW = [
    "network.denoiser.width=8", "network.denoiser.multipliers=[1,2]", "network.denoiser.attention=[]", *SMALL
]  # fmt: skip
METHODS = {
    "ddpm": ["experiment=ddpm_digits", *NARROW, "sampler.steps=3", "network.denoiser.dropout=0.1"],
    "ddpm_guided": [
        "experiment=ddpm_digits", *NARROW, "sampler.steps=3", "method.conditional=true", "method.guidance=1.0",
        "method.prediction=v", "method.weighting=min_snr", "sampler.eta=0.5",
    ],
    "improved_ddpm": [
        "experiment=improved_ddpm_digits", *NARROW, "sampler.steps=3", "method.process.steps=4",
        "method.times=importance", "method.conditional=true", "method.guidance=0.5",
    ],
    "score_sde": [
        "experiment=score_sde_digits", *NARROW, "sampler.tolerance=0.5", "network.denoiser.time=fourier",
        "method.tolerance=0.1",
    ],
    "score_sde_ve": [
        "experiment=score_sde_digits", *NARROW, "process@method.process=ve", "sampler=predictor_corrector",
        "sampler.steps=3", "method.conditional=true", "method.tolerance=0.1",
    ],
    "edm": ["experiment=edm_digits", *NARROW, "sampler.steps=3", "method.conditional=true", "method.guidance=0.5"],
    "classifier_guidance": [
        "experiment=classifier_guidance_mnist16", "data=digits", *NARROW, "sampler.steps=3",
        "network.classifier.width=8", "method.process.steps=10", "metrics.scores=[fid]",
    ],
    "ddgan": [
        "experiment=ddgan_digits", *SMALL, "network.generator.width=8", "network.generator.multipliers=[1,2]",
        "network.generator.attention=[]", "network.discriminator.width=8", "method.r1_every=2",
        "schedule.steps=5", "method.conditional=true",
    ],
    "vae": ["experiment=vae_digits", *SMALL, "network.autoencoder.width=8", "method.latent_dim=4"],
}  # fmt: skip


def train(output: Path, method: str, name: str, *settings: str) -> Path:
    assert main([*METHODS[method], f"output={output}", f"name={name}", *settings]) == 0
    (folder,) = (output / name).iterdir()
    return folder


def drawn(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)) for path in sorted((folder / "images").iterdir())])


def test_a_sweep_of_experiments_takes_keys_that_the_default_one_lacks(tmp_path: Path) -> None:
    words = ["experiment=ddpm_digits,improved_ddpm_digits", *NARROW, "sampler.steps=3", "steps=1"]
    assert main(["-m", *words, f"output={tmp_path}", "sweep=two"]) == 0
    folders = sorted((tmp_path / "two").iterdir())
    assert [folder.name.partition("_seed")[0] for folder in folders] == ["ddpm_digits", "improved_ddpm_digits"]
    assert all(RunFolder(folder).read_config().network.denoiser.width == 8 for folder in folders)
    # What is misspelt is still refused.
    assert main(["-m", *words, f"output={tmp_path}", "network.denoiser.wdth=8"]) == 2


@pytest.mark.parametrize("method", sorted(METHODS))
def test_resumed_to_the_bit(tmp_path: Path, method: str) -> None:
    whole, parted = train(tmp_path, method, "whole", "steps=7"), train(tmp_path, method, "parted", "steps=3")
    assert main(["train", f"run={parted}", "steps=7"]) == 0
    one, two = last_checkpoint(whole), last_checkpoint(parted)
    for part in ("state_dict", "optimizer_states"):
        assert_same(one[part], two[part], part)
    header = (whole / "metrics.csv").read_text().splitlines()[0]
    assert ("loss/denoiser_t1" in header) == (method not in ("ddgan", "vae"))
    if method == "improved_ddpm":
        # What importance is drawn by is a part of the run.
        assert one["state_dict"]["times.counts"].sum() == 7 * 8


@pytest.mark.parametrize("method", ["ddpm", "improved_ddpm", "score_sde", "ddgan", "vae"])
def test_two_processes_train_and_draw_as_one(
    tmp_path: Path, command_line: CommandLine, free_port: int, method: str
) -> None:
    done = command_line(
        *METHODS[method], "steps=4", f"output={tmp_path}", "name=two", "trainer=ddp", "trainer.devices=2",
        env={**os.environ, "OMP_NUM_THREADS": "1", "MASTER_PORT": str(free_port)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "two").iterdir()
    assert last_checkpoint(folder)["global_step"] == 4
    together = json.loads((folder / "scores.json").read_text())["values"]
    assert main(["evaluate", f"run={folder}", "device=cpu"]) == 0
    assert json.loads((folder / "scores.json").read_text())["values"] == pytest.approx(together, rel=1e-5)


def test_any_sampler_draws_from_what_was_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train(tmp_path, "ddpm", "run", "steps=2")
    images = {}
    for sampler in (
        ["ancestral", "sampler.steps=4"], ["ddim", "sampler.steps=4"], ["heun", "sampler.steps=3"],
        ["dpm_solver", "sampler.steps=4"], ["predictor_corrector", "sampler.steps=4"],
        ["probability_flow", "sampler.tolerance=0.1"],
    ):  # fmt: skip
        words = [f"sampler={sampler[0]}", *sampler[1:], f"out={tmp_path / sampler[0]}"]
        assert main(["sample", f"run={run}", "count=3", "device=cpu", *words]) == 0
        images[sampler[0]] = drawn(tmp_path / sampler[0])
    assert all(found.shape == (3, 8, 8) for found in images.values())
    assert (images["ancestral"] != images["ddim"]).any()
    assert main(["evaluate", f"run={run}", "sampler=ddim", "sampler.steps=2", "device=cpu"]) == 0
    protocol = json.loads((run / "scores.json").read_text())["protocol"]
    assert (protocol["sampler"]["_target_"], protocol["sampler"]["steps"]) == ("genbench.diffusion.samplers.ddim", 2)
    capsys.readouterr()
    assert main(["sample", f"run={run}", "sampler=ddim", "sampler.steps=2000", "device=cpu"]) == 2
    assert "at most the 1000" in capsys.readouterr().err


def test_a_class_is_drawn_with_guidance(tmp_path: Path) -> None:
    run = train(tmp_path, "ddpm_guided", "run", "steps=6", "schedule.warmup_steps=0", "method.optimizer.lr=0.01")
    for label in (1, 2):
        words = ["sample", f"run={run}", "count=2", f"label={label}", "device=cpu", f"out={tmp_path / str(label)}"]
        assert main(words) == 0
    assert (drawn(tmp_path / "1") != drawn(tmp_path / "2")).any()


LIKELIHOODS = {
    "ddpm_guided": "bound of the chain",
    "improved_ddpm": "bound of the chain",
    "score_sde": "exact density",
    "vae": "bound of 16",
}


@pytest.mark.parametrize("method", sorted(LIKELIHOODS))
def test_bits_of_held_out_images_are_printed_with_their_protocol(tmp_path: Path, method: str) -> None:
    run = train(tmp_path, method, "run", "steps=2", *(["method.process.steps=10"] if "guided" in method else []))
    found = []
    for _ in range(2):
        assert main(["evaluate", f"run={run}", "likelihood=70", "device=cpu"]) == 0
        found.append(json.loads((run / "scores.json").read_text()))
    values, protocol = found[0]["values"], found[0]["protocol"]
    assert 0 < values["bits_per_dim_std"] < values["bits_per_dim"] < 30
    assert values == pytest.approx(found[1]["values"], rel=1e-6)
    assert LIKELIHOODS[method] in protocol["likelihood"]
    assert (protocol["likelihood_split"], protocol["likelihood_count"]) == ("test", 70)


def test_guidance_may_change_when_images_are_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train(tmp_path, "classifier_guidance", "run", "steps=8", "schedule.warmup_steps=0")
    for guidance in (0, 1, 1.0, 40):
        words = [f"guidance={guidance}", "count=3", "device=cpu", f"out={tmp_path / str(guidance)}"]
        assert main(["sample", f"run={run}", *words]) == 0
    assert (drawn(tmp_path / "1") == drawn(tmp_path / "1.0")).all()
    assert (drawn(tmp_path / "0") != drawn(tmp_path / "40")).any()
    assert main(["evaluate", f"run={run}", "guidance=3", "device=cpu"]) == 0
    assert json.loads((run / "scores.json").read_text())["protocol"]["guidance"] == 3
    for words, message in ((["guidance=-1"], "at least 0"), (["guidance=much"], "guidance")):
        assert main(["sample", f"run={run}", *words, "device=cpu"]) == 2
        assert message in capsys.readouterr().err


def test_samplers_go_with_what_takes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, message in (
        (["experiment=gan_digits", "sampler=ddim"], "has no use for sampler"),
        (["experiment=ddpm_digits", "sampler=null"], "choose ancestral, ancestral_100, ancestral_50"),
        (["experiment=ddpm_digits", "sampler=dim"], "did you mean ddim"),
        (["experiment=ddpm_digits", "sampler.spacing=even"], "one of uniform, leading, leading_second, quadratic"),
        (["experiment=ddpm_digits", "method.prediction=noise"], "one of eps, x_0, v, score"),
        (["experiment=ddpm_digits", "data.size=10"], "multiple of 4"),
        (
            ["experiment=ddpm_digits", "method.conditional=true", "data=lsun_bedroom", "data.root=none"],
            "conditional=true takes data with a condition, such as the classes",
        ),
        (["experiment=ddpm_digits", "method.process.steps=0"], "method.process.steps must be at least 1"),
    ):
        assert main([*words, f"output={tmp_path}"]) == 2
        assert message in capsys.readouterr().err, words


def test_a_saved_sampler_is_checked_like_any_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train(tmp_path, "ddpm", "run", "steps=1")
    file = RunFolder.open(run).config_file
    whole = file.read_text()
    for other in ("genbench.diffusion.samplers.solve_ivp", "scipy.integrate.solve_ivp"):
        file.write_text(whole.replace("genbench.diffusion.samplers.ddim", other))
        assert main(["sample", f"run={run}", "device=cpu"]) == 2
        assert "not trusted" in capsys.readouterr().err
