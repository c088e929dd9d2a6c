"""Methods that are built on other runs: the copies in the run folder, and that they stay what they were."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from genbench.__main__ import main
from genbench.abilities import ClassifiesNoisy
from genbench.commands.opening import open_part
from genbench.images import to_float
from tests.commands.small_runs import CLASSIFIER, GUIDED, TINY, run_of


def guided(runs: dict[str, Path]) -> list[str]:
    return [
        GUIDED,
        *TINY,
        f"parts.denoiser={runs['ddpm']}",
        f"parts.classifier={runs['classifier']}",
        "sampler.steps=5",
        "steps=0",
    ]


def pixels(folder: Path) -> list[bytes]:
    return [Image.open(path).tobytes() for path in sorted((folder / "images").glob("*.png"))]


def draw(run: Path, out: Path, *words: str) -> list[bytes]:
    assert main(["sample", f"run={run}", "count=6", "seed=3", "device=cpu", f"out={out}", *words]) == 0
    return pixels(out)


def test_a_method_of_parts_alone_is_assembled_without_a_step(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(tmp_path, "guided", *guided(runs))
    assert "assembled from denoiser, classifier" in capsys.readouterr().out
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["steps"] == 0
    for name, source in (("denoiser", "ddpm"), ("classifier", "classifier")):
        part = run / "parts" / name
        copied = load_file(part / "weights.safetensors")
        original = torch.load(runs[source] / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        assert copied.keys() == original.keys()
        assert all(torch.equal(copied[key], original[key]) for key in copied)
        assert manifest["parts"][name]["run"] == str(runs[source])
        assert len(manifest["parts"][name]["sha256"]) == 16
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["state_dict"] == {}
    # Without guidance it is the diffusion model itself, pixel for pixel; with it, it is not.
    plain = draw(runs["ddpm"], tmp_path / "plain")
    assert draw(run, tmp_path / "unguided", "guidance=0", "label=3") == plain
    assert draw(run, tmp_path / "led", "guidance=5", "label=3") != plain
    # A part is a run by itself.
    assert draw(run / "parts" / "denoiser", tmp_path / "part") == plain
    capsys.readouterr()
    assert main(["evaluate", f"run={run}", "device=cpu", "count=64", "metrics.scores=[fid,agreement]"]) == 0
    assert "agreement_digits" in capsys.readouterr().out
    assert main(["report", f"runs={run}", f"out={tmp_path / 'page'}"]) == 0
    assert main(["train", f"run={run}", "steps=5"]) == 2
    assert "nothing to train" in capsys.readouterr().err


def test_guidance_leads_to_the_class(runs: dict[str, Path], tmp_path: Path) -> None:
    run = run_of(tmp_path, "guided", *guided(runs))

    classifier: Any = open_part("classifier", str(runs["classifier"]), ClassifiesNoisy).model

    def probability(folder: Path, label: int) -> float:
        images = [torch.tensor(list(one), dtype=torch.uint8).view(1, 8, 8) for one in pixels(folder)]
        logits = classifier.classify(to_float(torch.stack(images)), torch.zeros(len(images)))
        return float(logits.softmax(1)[:, label].mean())

    for label in (0, 1):
        draw(run, tmp_path / f"unled{label}", "guidance=0", f"label={label}")
        draw(run, tmp_path / f"led{label}", "guidance=20", f"label={label}")
        assert probability(tmp_path / f"led{label}", label) > probability(tmp_path / f"unled{label}", label)


def test_a_run_is_whole_without_those_it_was_built_on(runs: dict[str, Path], tmp_path: Path) -> None:
    copies = {name: Path(shutil.copytree(runs[name], tmp_path / name)) for name in ("ddpm", "classifier")}
    run = run_of(tmp_path / "out", "guided", *guided(copies))
    before = draw(run, tmp_path / "before", "label=3")
    for copy in copies.values():
        shutil.rmtree(copy)
    moved = shutil.move(run, tmp_path / "elsewhere")
    assert draw(Path(moved), tmp_path / "after", "label=3") == before


@pytest.fixture
def latent(runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that trains a diffusion model of the latents of a frozen autoencoder."""
    monkeypatch.setenv("GENBENCH_PLUGINS", "")

    def train(name: str, *words: str) -> Path:
        plugin = ["--plugin", "tests", "method=latent_ddpm", *TINY, f"parts.first_stage={runs['vae']}"]
        return run_of(tmp_path, name, *plugin, *words)

    return train


def tensors_of(run: Path) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return weights


def test_two_stages_train_go_on_move_draw_and_are_scored(
    latent: Callable[..., Path], runs: dict[str, Path], tmp_path: Path
) -> None:
    whole = latent("whole", "steps=12")
    halved = latent("halved", "steps=6")
    # It goes on from what is in its own folder, wherever that is.
    moved = Path(shutil.move(halved, tmp_path / "moved"))
    assert main(["train", "--plugin", "tests", f"run={moved}", "steps=12"]) == 0
    first, second = tensors_of(whole), tensors_of(moved)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    # No checkpoint repeats the part, and training leaves it as it was.
    assert not any("first_stage" in name for name in first)
    copied = load_file(moved / "parts" / "first_stage" / "weights.safetensors")
    original = tensors_of(runs["vae"])
    assert all(torch.equal(copied[name], original[name]) for name in original)
    plugin = ["--plugin", "tests"]
    assert len(draw(moved, tmp_path / "drawn", *plugin)) == 6
    assert main(["evaluate", *plugin, f"run={moved}", "device=cpu", "count=64"]) == 0


def test_two_processes_share_one_copy_of_a_part(
    runs: dict[str, Path], tmp_path: Path, command_line: Callable[..., Any]
) -> None:
    result = command_line(
        "--plugin", "tests", "method=latent_ddpm", *TINY, f"parts.first_stage={runs['vae']}", "steps=4",
        f"output={tmp_path}", "name=two", "trainer=ddp", "trainer.devices=2",
        # The second process is a fresh one, and finds the package there.
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    (run,) = (tmp_path / "two").iterdir()
    assert [path.name for path in (run / "parts").iterdir()] == ["first_stage"]
    assert not any("first_stage" in name for name in tensors_of(run))
    assert len(draw(run, tmp_path / "drawn", "--plugin", "tests")) == 6


def test_in_a_sweep_a_part_counts_by_its_weights(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENBENCH_PLUGINS", "")
    copy = Path(shutil.copytree(runs["vae"], tmp_path / "copy"))

    def sweep(part: Path) -> set[str]:
        words = ["--plugin", "tests", "method=latent_ddpm", *TINY, "steps=2", f"parts.first_stage={part}"]
        assert main([*words, f"output={tmp_path}", "sweep=s"]) == 0
        return {path.name for path in (tmp_path / "s").iterdir()}

    first = sweep(runs["vae"])
    assert len(first) == 1
    assert sweep(copy) == first
    weights = torch.load(copy / "checkpoints" / "last.ckpt", weights_only=True)
    next(value for name, value in weights["state_dict"].items() if name.endswith("bias")).add_(1)
    torch.save(weights, copy / "checkpoints" / "other.ckpt")
    assert len(sweep(copy / "checkpoints" / "other.ckpt")) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([GUIDED, "steps=0"], "parts.denoiser=RUN"),
        (["method=gan", "parts.base=/tmp"], "is built on no other run"),
        (
            [GUIDED, "steps=0", "parts.denoiser=VAE", "parts.classifier=CLASSIFIER"],
            "denoise_with",
        ),
        (
            [GUIDED, "steps=0", "parts.denoiser=/nowhere", "parts.classifier=CLASSIFIER"],
            "no config",
        ),
        ([GUIDED, "steps=0", "parts.denoiser=DDPM", "parts.x=1"], "its parts are denoiser, cl"),
        ([GUIDED, "steps=0", "+method.denoiser=DDPM"], "give parts.denoiser=RUN"),
        (
            [GUIDED, "steps=3", "parts.denoiser=DDPM", "parts.classifier=CLASSIFIER"],
            "set steps=0",
        ),
        (["method=gan", "steps=0"], "assembled from parts"),
    ],
)
def test_what_is_no_part_is_refused(
    words: list[str], said: str, runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = {name.upper(): str(path) for name, path in runs.items()}
    words = [f"{key}={named.get(value, value)}" for word in words for key, _, value in [word.partition("=")]]
    assert main([*words, *TINY, f"output={tmp_path / 'out'}"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_parts_of_different_processes_do_not_go_together(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = run_of(tmp_path, "other", *CLASSIFIER, "steps=1", "method.process.steps=50")
    assert main([*guided(runs | {"classifier": other}), f"output={tmp_path / 'out'}"]) == 2
    assert "different forward processes" in capsys.readouterr().err


class Mischief:
    """What runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_strangers_part_runs_nothing(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(tmp_path, "guided", *guided(runs))
    part, trap = run / "parts" / "denoiser", tmp_path / "trap"
    words = ["sample", f"run={run}", "count=2", "device=cpu", f"out={tmp_path / 'drawn'}", "label=1"]
    whole = (part / "weights.safetensors").read_bytes()

    def refused() -> str:
        capsys.readouterr()
        assert main(words) == 2
        assert not trap.exists()
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    (part / "weights.safetensors").write_bytes(pickle.dumps(Mischief(trap)))
    assert "damaged" in refused()
    (part / "weights.safetensors").write_bytes(whole)
    other = {name: value + 1 for name, value in load_file(part / "weights.safetensors").items()}
    save_file(other, part / "weights.safetensors")
    assert "another hash" in refused()
    (part / "weights.safetensors").write_bytes(whole)
    config = (part / "config.yaml").read_text()
    (part / "config.yaml").write_text(config.replace("genbench.methods.denoising.ddpm.DDPM", "subprocess.Popen"))
    assert "not trusted" in refused()
    shutil.rmtree(part)
    assert "lacks its part denoiser" in refused()


def test_an_editor_of_two_models_optimises_each_picture(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GENBENCH_PLUGINS", "")
    run = Path(shutil.copytree(runs["vae"], tmp_path / "vae"))
    before = tensors_of(run)
    words = ["edit", "--plugin", "tests", "editor=steer", f"run={run}", "count=6", "seed=3", "device=cpu"]
    words += ["editor.target=1"]
    assert main([*words, f"parts.classifier={runs['classifier']}"]) == 0
    (edit,) = (run / "edits").iterdir()
    curves = json.loads((edit / "scores.json").read_text())["values"]["log_probability"]
    assert len(curves) == 6
    assert all(len(curve) == 21 and curve[-1] > curve[0] for curve in curves)
    manifest = json.loads((edit / "manifest.json").read_text())
    assert manifest["source"]["parts"]["classifier"]["run"] == str(runs["classifier"])
    assert all(torch.equal(value, before[name]) for name, value in tensors_of(run).items())
    # Elsewhere the same bits; the first two by themselves too.
    pictures = [path.read_bytes() for path in sorted((edit / "pictures").iterdir())]
    copy = Path(shutil.copytree(runs["classifier"], tmp_path / "classifier"))
    again = [*words, f"parts.classifier={copy}", f"out={tmp_path / 'again'}", "count=2"]
    assert main(again) == 0
    assert [path.read_bytes() for path in sorted((tmp_path / "again" / "pictures").iterdir())] == pictures[:2]
    capsys.readouterr()
    assert main(words) == 2
    assert "steer is built on another run: give parts.classifier=RUN (of its images)" in capsys.readouterr().err
    assert main([*words, f"parts.classifier={runs['ddpm']}"]) == 2
    assert "it has no classify, classes" in capsys.readouterr().err
    assert len(list((run / "edits").iterdir())) == 1
