"""What a new user tried first, and what went wrong: commands of the docs, and data, parts and words that do not fit."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from genbench import api
from genbench.__main__ import main
from genbench.errors import UserError
from tests.commands.small_runs import GUIDED, TINY, run_of
from tests.commands.test_denoising_family import METHODS
from tests.conftest import Train

DIGITS = ["data=two_domains", "data.domains=digits_tilted", "data.size=8", "data.batch_size=16"]


def one_line(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main([*words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_the_experiment_of_the_docs_is_assembled(runs: dict[str, Path], tmp_path: Path) -> None:
    words = ["experiment=guided_digits", "data.size=8", "sampler.steps=2"]
    words += [f"parts.denoiser={runs['ddpm']}", f"parts.classifier={runs['classifier']}"]
    run = run_of(tmp_path, "guided", *words)
    assert main(["sample", f"run={run}", "count=2", "device=cpu"]) == 0


@pytest.mark.parametrize(
    "words",
    [["data.size=16"], ["data=captioned_digits"]],
    ids=["another size", "another condition"],
)
def test_parts_that_do_not_suit_the_data_are_refused(
    words: list[str], runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [f"parts.denoiser={runs['ddpm']}", f"parts.classifier={runs['classifier']}"]
    said = one_line(capsys, GUIDED, *TINY, "steps=0", *parts, *words, f"output={tmp_path / 'out'}")
    assert "with these parts the method" in said
    assert not (tmp_path / "out").exists()


def test_a_likelihood_and_super_resolution_of_unpaired_data(tmp_path: Path) -> None:
    vae = ["method=vae", *TINY[3:], *DIGITS, "metrics=none", "network.autoencoder.width=8", "steps=2"]
    run = run_of(tmp_path, "vae", *vae)
    assert main(["evaluate", f"run={run}", "device=cpu", "metrics=none", "likelihood=4"]) == 0
    assert json.loads((run / "scores.json").read_text())["values"]["bits_per_dim"] > 0
    small = ["experiment=ddpm_superresolution_digits", *METHODS["ddpm"][1:], *DIGITS, "steps=2"]
    larger = run_of(tmp_path, "larger", *small)
    assert main(["sample", f"run={larger}", "count=4", "device=cpu", "sampler.steps=2", "sampler=ddim"]) == 0


def test_the_extractor_of_a_run_takes_the_scores_that_suit_it(runs: dict[str, Path], tmp_path: Path) -> None:
    run = Path(shutil.copytree(runs["vae"], tmp_path / "vae"))
    words = ["evaluate", f"run={run}", "device=cpu", "count=64", f"metrics.extractor=run:{runs['classifier']}"]
    assert main(words) == 0
    values = json.loads((run / "scores.json").read_text())["values"]
    assert [name for name in values if name.startswith("fid_noisy_classifier_")]
    assert main([*words, "metrics.scores=[fid,is]"]) == 2


def test_a_setting_of_the_scores_needs_no_other_choice(
    tmp_path: Path, runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = tmp_path / "drawn"
    assert main(["sample", f"run={runs['vae']}", "count=64", "device=cpu", f"out={drawn}"]) == 0
    images = ["evaluate", f"images={drawn / 'images'}", "device=cpu"]
    assert main([*images, f"images_reference={drawn / 'images'}", "metrics.scores=[fid]"]) == 0
    capsys.readouterr()
    np.savez(tmp_path / "statistics.npz", mu=np.zeros(128), sigma=np.eye(128))
    reference = f"metrics.reference={tmp_path / 'statistics.npz'}"
    assert main([*images, "metrics=digits", reference, "metrics.scores=[fid]"]) in (0, 2)
    assert "there is no key" not in capsys.readouterr().err
    said = one_line(capsys, "method=gan", *TINY, "metrics=none", "metrics.count=64", f"output={tmp_path / 'out'}")
    assert "metrics.count has no effect: metrics=none computes no scores" in said


def test_a_conditional_vae_is_no_extractor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vae = ["method=vae", *TINY, "network.autoencoder.width=8", "steps=2", "method.conditional=true"]
    run = run_of(tmp_path, "vae", *vae)
    words = ["evaluate", f"run={run}", "device=cpu", "count=64", "metrics.scores=[fid]"]
    assert "embeds no image by itself" in one_line(capsys, *words, f"metrics.extractor=run:{run}")


def test_a_model_of_latents_does_not_do_what_one_of_images_does(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GENBENCH_PLUGINS", "")
    plugin = ["--plugin", "tests"]
    words = [*plugin, "method=latent_ddpm", *TINY, "steps=2", f"parts.first_stage={runs['vae']}"]
    run = run_of(tmp_path, "latent", *words)
    edit = ["edit", *plugin, "editor=inpaint", f"run={run}", "mask=bottom", "device=cpu", "count=2"]
    assert "fills in no images" in one_line(capsys, *edit)
    assert not list((run / "edits").glob("*")) if (run / "edits").exists() else True
    assert "likelihood" in one_line(capsys, "evaluate", *plugin, f"run={run}", "device=cpu", "likelihood=2", "count=64")
    sixteen = [word.replace("data.size=8", "data.size=16") for word in words]
    assert "parts.first_stage must be" in one_line(capsys, *sixteen, f"output={tmp_path / 'out'}")
    assert not (tmp_path / "out").exists()


def test_guidance_of_what_is_asked_to_show_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path, "run", *METHODS["ddpm_guided"], "steps=2")
    edit = ["edit", "editor=inpaint", f"run={run}", "mask=bottom", "count=2", "device=cpu", "sampler.steps=2"]
    assert "guidance=3.0 has no effect" in one_line(capsys, *edit, "guidance=3")
    assert main([*edit, "guidance=3", "label=1", "sampler.resamplings=1"]) == 0


def test_what_another_run_remembers_is_no_weight(tmp_path: Path) -> None:
    small = ["network.generator.width=4", "network.generator.blocks=1", "network.discriminator.width=4"]
    words = ["method=cyclegan", *TINY[3:], *DIGITS, "metrics=none", *small, "method.pool_size=64"]
    words += ["schedule=constant", "data.size=16"]
    first = run_of(tmp_path, "first", *words, "steps=3")
    second = run_of(tmp_path, "second", *words, "steps=1", f"init={first}")
    state = torch.load(second / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    held = [int(value) for name, value in state.items() if name.startswith("pool_") and value.ndim == 0]
    assert held
    assert all(count <= 16 for count in held)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"state_dict": {"a": 3}}, "something else than tensors"),
        ({"global_step": "x"}, "global_step is no number"),
    ],
)
def test_a_checkpoint_that_holds_something_else(
    change: dict[str, Any], said: str, runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(runs["vae"], tmp_path / "vae"))
    (run / "checkpoints" / "previous.ckpt").unlink(missing_ok=True)
    content = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    torch.save(content | change, run / "checkpoints" / "last.ckpt")
    assert said in one_line(capsys, "sample", f"run={run}", "device=cpu", f"out={tmp_path / 'drawn'}")
    assert said in one_line(capsys, "method=vae", *TINY, "steps=1", f"init={run}", f"output={tmp_path / 'out'}")
    assert not (tmp_path / "out").exists()


def test_a_configuration_that_builds_nothing(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(runs["vae"], tmp_path / "vae"))
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("method:\n", "method:\n  _partial_: true\n"))
    assert "_partial_" in one_line(capsys, "sample", f"run={run}", "device=cpu")


def test_python_refuses_what_the_command_line_refuses(train: Train) -> None:
    run = api.open_run(train("steps=2"), "device=cpu")
    for call, words, said in (
        (api.score, ["metrics=none"], "nothing to do"),
        (api.score, ["images=/nowhere"], "of the command line"),
        (api.score, ["out=/nowhere"], "of the command line"),
        (api.score, ["count=16", "metrics.count=32"], "say the same"),
        (api.score, ["data.root=/nowhere"], "is for open_run"),
        (api.sample, ["out=/nowhere"], "of the command line"),
    ):
        with pytest.raises(UserError, match=said):
            call(run, *words)
    with pytest.raises(UserError, match="not for open_run"):
        api.open_run(run.folder.path, "count=3")
