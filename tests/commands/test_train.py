"""Training runs: what they leave behind, and that a resumed one ends with the bits of an uninterrupted one."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from genbench.__main__ import main
from tests.conftest import Train


def last_checkpoint(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def assert_same(one: Any, two: Any, where: str) -> None:
    """Compare nested states bit for bit."""
    assert type(one) is type(two), where
    if isinstance(one, Tensor):
        assert torch.equal(one, two), where
    elif isinstance(one, dict):
        assert one.keys() == two.keys(), where
        for key in one:
            assert_same(one[key], two[key], f"{where}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(two), where
        for index, (a, b) in enumerate(zip(one, two, strict=True)):
            assert_same(a, b, f"{where}/{index}")
    else:
        assert one == two, where


# 1,442 images in batches of 32 are epochs of 45 steps: 150 lies within one, 90 ends one.
@pytest.mark.parametrize(("stop", "end", "k"), [(150, 300, 1), (90, 100, 1), (91, 140, 3)])
def test_a_resumed_run_ends_with_the_same_bits(train: Train, stop: int, end: int, k: int) -> None:
    settings = [f"method.discriminator_steps={k}", "trainer.log_every_n_steps=10", "callbacks.scores.every=60"]
    whole = train(*settings, f"steps={end}", network="dcgan", name="whole")
    parted = train(*settings, f"steps={stop}", network="dcgan", name="parted")
    assert last_checkpoint(parted)["global_step"] == stop
    assert main(["train", f"run={parted}", f"steps={end}"]) == 0

    one, two = last_checkpoint(whole), last_checkpoint(parted)
    assert (one["global_step"], two["global_step"]) == (end, end)
    assert any(name.startswith("average.") for name in one["state_dict"])
    for part in ("state_dict", "optimizer_states"):
        assert_same(one[part], two[part], part)
    # The figures go on where they stopped, each step once.
    columns = ("step", "loss/generator", "loss/discriminator", "gradient/generator", "images")
    logged, logged_parted = (
        [[row[name] for name in columns] for row in table(folder) if row["loss/generator"]]
        for folder in (whole, parted)
    )
    assert logged == logged_parted
    assert [int(row[0]) for row in logged] == list(range(10, end + 1, 10))


def test_callbacks_do_not_disturb_the_training(train: Train) -> None:
    watched = train("steps=40", "callbacks.grid.every=3", "callbacks.scores.every=5", name="watched")
    alone = train("steps=40", "callbacks.grid=null", "callbacks.scores=null", name="alone")
    assert_same(last_checkpoint(watched)["state_dict"], last_checkpoint(alone)["state_dict"], "state_dict")


def test_seeds_matter(train: Train) -> None:
    one, two = (last_checkpoint(train("steps=2", f"seed={seed}", name=f"s{seed}"))["state_dict"] for seed in (0, 1))
    assert not torch.equal(one["generator.layers.0.weight"], two["generator.layers.0.weight"])


def test_a_run_folder_holds_all_that_a_run_is(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    folder = train("steps=20", "trainer.log_every_n_steps=5", "callbacks.scores.every=10", "callbacks.grid.every=8")
    assert {path.name for path in folder.iterdir()} == {
        "config.yaml", "manifest.json", "condition.json", "metrics.csv", "scores.json", "checkpoints", "samples",
    }  # fmt: skip
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"last.ckpt", "best.ckpt"}
    steps = [1, 2, 4, 8, 16, 20]
    walks = [f"interpolation_{step:07d}.png" for step in (8, 16, 20)]
    grids = [f"step_{step:07d}.png" for step in steps]
    assert sorted(path.name for path in (folder / "samples").iterdir()) == [*walks, "nearest_0000020.png", *grids]

    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["seed"], manifest["steps"], manifest["images"]) == (0, 20, 20 * 32)
    assert manifest["seconds"] > 0
    assert torch.__version__.startswith(manifest["versions"]["torch"])
    assert "steps=20" in manifest["overrides"]

    scores = json.loads((folder / "scores.json").read_text())
    assert scores["step"] == 20
    assert scores["protocol"]["count"] == 64
    scored = [row for row in table(folder) if row["score/fid_digits"]]
    assert [row["step"] for row in scored] == ["10", "20"]
    assert float(scored[-1]["score/fid_digits"]) == pytest.approx(scores["values"]["fid_digits"])
    for row in table(folder):
        assert row["images"] == str(float(row["step"]) * 32) if row["images"] else True

    printed = capsys.readouterr().out
    assert "fid_digits" in printed
    assert str(folder / "samples" / "step_0000020.png") in printed.replace("\n", "")


def test_the_best_checkpoint_is_that_of_the_best_score(train: Train) -> None:
    folder = train("steps=40", "callbacks.scores.every=5", "callbacks.checkpoints.every=40")
    scores = {int(row["step"]): float(row["score/fid_digits"]) for row in table(folder) if row["score/fid_digits"]}
    assert len(scores) == 8
    best = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["global_step"] == min(scores, key=scores.__getitem__)


def test_a_diverging_run_stops_and_keeps_its_last_good_checkpoint(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["method.generator_optimizer.lr=1e30", "method.discriminator_optimizer.lr=1e30"]
    every = ["callbacks.checkpoints.every=1", "callbacks.guard.every=1", "callbacks.scores=null", "callbacks.grid=null"]
    folder = train("steps=500", *settings, *every, name="wild", status=1)
    message = capsys.readouterr().err
    assert "no longer finite at step" in message
    assert "Traceback" not in message
    checkpoint = folder / "checkpoints" / "last.ckpt"
    if checkpoint.exists():
        assert str(checkpoint) in message
        weights = torch.load(checkpoint, weights_only=True)["state_dict"].values()
        assert all(weight.isfinite().all() for weight in weights if weight.is_floating_point())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("method.objective=minimax", "method.objective can't change"),
        ("seed=1", "seed can't change"),
        ("data=mnist", "data can't change"),
        ("steps=10", "has its 10 steps"),
        ("trainer.devicez=2", "there is no key 'trainer.devicez'"),
    ],
)
def test_a_run_goes_on_as_it_was(train: Train, capsys: pytest.CaptureFixture[str], override: str, message: str) -> None:
    folder = train("steps=10")
    before = (folder / "config.yaml").read_text()
    assert main(["train", f"run={folder}", override]) == 2
    assert message in capsys.readouterr().err
    assert (folder / "config.yaml").read_text() == before


def test_a_damaged_checkpoint_is_named(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    folder = train("steps=10")
    file = folder / "checkpoints" / "last.ckpt"
    file.write_bytes(file.read_bytes()[:1000])
    assert main(["train", f"run={folder}", "steps=20"]) == 2
    assert f"{file} is damaged" in capsys.readouterr().err


def test_a_sweep_runs_each_combination(tmp_path: Path, train: Train) -> None:
    train("-m", "steps=2,3", "seed=0,1", "callbacks.scores=null", name="sweep")
    folders = [path for path in (tmp_path / "sweep").iterdir() if path.is_dir()]
    manifests = [json.loads((folder / "manifest.json").read_text()) for folder in folders]
    assert sorted((m["seed"], m["steps"]) for m in manifests) == [(0, 2), (0, 3), (1, 2), (1, 3)]


@pytest.mark.parametrize("network", ["mlp", "dcgan"])
def test_networks_and_objectives_are_interchangeable(train: Train, network: str) -> None:
    for objective in ("minimax", "non_saturating"):
        folder = train("steps=3", f"method.objective={objective}", network=network, name=objective)
        assert (folder / "scores.json").exists()


def test_training_beats_an_untrained_generator_by_far(train: Train) -> None:
    """End to end on real digits: the score falls to a fraction, and most classes appear."""
    settings = ["data.size=16", "metrics.count=1000", "method.latent_dim=32", "callbacks.scores.every=1000"]
    network = ["network.generator.width=16", "network.discriminator.width=16"]
    folder = train(*settings, *network, "steps=1000", "callbacks.grid=null", network="dcgan", name="digits")
    trained = json.loads((folder / "scores.json").read_text())["values"]
    untrained = train(*settings, *network, "steps=1", network="dcgan", name="untrained")
    start = json.loads((untrained / "scores.json").read_text())["values"]
    assert trained["fid_digits"] < start["fid_digits"] / 5
    assert trained["classes_digits"] == 10
    assert trained["is_digits"] > start["is_digits"] + 2
    assert math.isfinite(trained["distance_from_uniform_digits"])


def test_tensorboard_has_the_keys_of_the_table(train: Train) -> None:
    folder = train("steps=4", "trainer.log_every_n_steps=2", "logger=tensorboard")
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    rows = table(folder)
    assert [row["step"] for row in rows] == ["2", "4"]
    assert {*events.Tags()["scalars"]} - {"epoch", "hp_metric"} == {*rows[-1]} - {"step"}
    for name in ("loss/generator", "images"):
        # The axes come with each part of a step's figures.
        shown = {event.step: event.value for event in events.Scalars(name)}
        assert shown == pytest.approx({int(row["step"]): float(row[name]) for row in rows})
    assert {*events.Tags()["images"]} == {"samples/grid", "samples/interpolation", "samples/nearest"}


def test_the_time_of_a_run_counts_over_its_sessions(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    # Far more steps than a second has.
    run = train("steps=1000000", "trainer.max_time=00:00:00:01", "metrics.count=16", status=1)
    assert "trainer.max_time=00:00:00:01 ended the training after" in capsys.readouterr().err
    done = last_checkpoint(run)["global_step"]
    assert main(["train", f"run={run}"]) == 2
    assert "has had its trainer.max_time, which counts over all its sessions" in capsys.readouterr().err
    assert last_checkpoint(run)["global_step"] == done
    assert main(["train", f"run={run}", f"steps={done + 2}", "trainer.max_time=null"]) == 0
    assert last_checkpoint(run)["global_step"] == done + 2
