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
from genbench.runs import RunFolder
from tests.commands.test_train import assert_same, last_checkpoint

CommandLine = Callable[..., subprocess.CompletedProcess[str]]

NARROW = [
    "network.denoiser.width=8", "network.denoiser.multipliers=[1,2]", "network.denoiser.attention=[]",
    "sampler.steps=3", "data.size=8", "data.batch_size=8", "metrics.count=20", "trainer.accelerator=cpu",
    "callbacks.grid.count=4", "trainer.log_every_n_steps=2",
]  # fmt: skip
METHODS = {
    "ddpm": ["experiment=ddpm_digits", *NARROW, "network.denoiser.dropout=0.1"],
    "ddpm_guided": [
        "experiment=ddpm_digits", *NARROW, "method.conditional=true", "method.guidance=1.0", "method.prediction=v",
        "method.weighting=min_snr", "sampler.eta=0.5",
    ],
}  # fmt: skip


def train(output: Path, method: str, name: str, *settings: str) -> Path:
    assert main([*METHODS[method], f"output={output}", f"name={name}", *settings]) == 0
    (folder,) = (output / name).iterdir()
    return folder


def drawn(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)) for path in sorted((folder / "images").iterdir())])


@pytest.mark.parametrize("method", sorted(METHODS))
def test_resumed_to_the_bit(tmp_path: Path, method: str) -> None:
    whole, parted = train(tmp_path, method, "whole", "steps=7"), train(tmp_path, method, "parted", "steps=3")
    assert main(["train", f"run={parted}", "steps=7"]) == 0
    one, two = last_checkpoint(whole), last_checkpoint(parted)
    for part in ("state_dict", "optimizer_states"):
        assert_same(one[part], two[part], part)
    header = (whole / "metrics.csv").read_text().splitlines()[0]
    assert "loss/denoiser_t1" in header


def test_two_processes_train_and_draw_as_one(tmp_path: Path, command_line: CommandLine, free_port: int) -> None:
    done = command_line(
        *METHODS["ddpm"], "steps=4", f"output={tmp_path}", "name=two", "trainer=ddp", "trainer.devices=2",
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
    run = train(tmp_path, "ddpm_guided", "run", "steps=6", "method.warmup_steps=0", "method.optimizer.lr=0.01")
    for label in (1, 2):
        words = ["sample", f"run={run}", "count=2", f"label={label}", "device=cpu", f"out={tmp_path / str(label)}"]
        assert main(words) == 0
    assert (drawn(tmp_path / "1") != drawn(tmp_path / "2")).any()


def test_samplers_go_with_what_takes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, message in (
        (["experiment=gan_digits", "sampler=ddim"], "has no use for sampler"),
        (["experiment=ddpm_digits", "sampler=null"], "choose ancestral, ddim"),
        (["method=ddpm", "network=unet_small", "data.size=16"], "choose sampler=ancestral, ddim"),
        (["experiment=ddpm_digits", "sampler=dim"], "did you mean ddim"),
        (["experiment=ddpm_digits", "sampler.spacing=even"], "one of uniform, quadratic"),
        (["experiment=ddpm_digits", "method.prediction=noise"], "one of eps, x_0, v, score"),
        (["experiment=ddpm_digits", "data.size=10"], "divides by 4"),
        (["experiment=ddpm_digits", "method.conditional=true", "data=edges2digits", "data.source=digits"], "classes"),
        (["experiment=ddpm_digits", "method.process.steps=0"], "at least 1 step"),
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
