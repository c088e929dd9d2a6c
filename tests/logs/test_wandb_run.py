"""Runs on Weights & Biases, read back from what they leave offline."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genbench.__main__ import main
from genbench.logs.vocabulary import AXES, SECTIONS
from genbench.logs.wandb_run import WandbRun
from genbench.score_names import better
from tests.commands.test_train import table
from tests.conftest import NETWORKS, SMALL, Train
from tests.offline_run import OfflineRun, read_offline_runs

EVERY = [f"{key}=10" for key in ("trainer.log_every_n_steps", "callbacks.grid.every", "callbacks.scores.every")]
ONLINE = ["logger=wandb_offline", "callbacks.checkpoints.every=20", *EVERY]


@pytest.fixture(autouse=True)
def without_a_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no_netrc"))


def without_w_and_bs_own(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not key.startswith("_")}


def steps_of(runs: list[OfflineRun]) -> list[int]:
    return [row["step"] for run in runs for row in run.rows]


def test_a_run_stands_there_with_all_that_it_is(tmp_path: Path) -> None:
    settings = [*NETWORKS["mlp"], *SMALL, *ONLINE, "steps=40", "logger.wandb.artifacts=true"]
    assert main(["train", *settings, f"output={tmp_path}", "name=runs", "sweep=seeds"]) == 0
    (folder,) = (tmp_path / "seeds").iterdir()
    (found,) = read_offline_runs(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (found.run.run_id, found.run.project) == (manifest["id"], "genbench")
    assert found.run.run_group == "gan/digits"
    assert found.run.display_name == "runs-seed0"
    assert set(found.run.tags) == {"runs", "seeds"}
    assert found.config["method"]["latent_dim"] == 8
    for fact in ("revision", "machine", "versions"):
        assert found.config["manifest"][fact] == manifest[fact]
    assert found.exit_code == 0
    assert sorted(found.artifacts) == ["checkpoint", "grid", "scores"]


def test_rows_have_the_figures_of_the_table_and_the_axes(train: Train) -> None:
    folder = train("steps=40", *ONLINE)
    (found,) = read_offline_runs(folder)
    assert steps_of([found]) == [1, 2, 4, 8, 10, 20, 30, 40]
    for row in found.rows:
        assert row["_step"] == row["step"]
        assert row["images"] == 32 * row["step"]
        assert row["seconds"] > 0
        assert {key.split("/")[0] for key in without_w_and_bs_own(row)} <= {*SECTIONS, *AXES}
        assert row["samples/grid/_type"] == "image-file"
    rows = {row["step"]: row for row in found.rows}
    for line in table(folder):
        for key, value in line.items():
            # The table has seconds as they were when the last figure of a step came.
            if value:
                assert rows[int(line["step"])][key] == pytest.approx(float(value), rel=1e-6)
    assert rows[40]["samples/interpolation/_type"] == rows[40]["samples/nearest/_type"] == "image-file"


def test_axes_and_summaries_are_said(train: Train) -> None:
    folder = train("steps=40", *ONLINE)
    (found,) = read_offline_runs(folder)
    assert set(AXES) <= set(found.metrics)
    for section in SECTIONS:
        assert found.metrics[f"{section}/*"].step_metric == "step"
    assert found.metrics["score/fid_digits"].summary.min
    assert found.metrics["score/is_digits"].summary.max
    scores = {int(line["step"]): float(line["score/fid_digits"]) for line in table(folder) if line["score/fid_digits"]}
    best = min(scores, key=lambda step: scores[step])
    assert found.summary["best/step"] == best
    assert found.summary["best/fid_digits"] == pytest.approx(scores[best])


def test_steps_that_are_done_again_are_not_sent_again(train: Train) -> None:
    whole = train("steps=60", *ONLINE, name="whole")
    folder = train("steps=40", *ONLINE, name="parted")
    # As if it had been killed before its last checkpoint.
    shutil.move(folder / "checkpoints" / "previous.ckpt", folder / "checkpoints" / "last.ckpt")
    assert main(["train", f"run={folder}", "steps=60"]) == 0
    runs = read_offline_runs(folder)
    assert len(runs) == 2
    assert {run.run.run_id for run in runs} == {json.loads((folder / "manifest.json").read_text())["id"]}
    assert steps_of(runs)[:8] == [1, 2, 4, 8, 10, 20, 30, 40]
    (once,) = read_offline_runs(whole)
    assert steps_of(runs) == steps_of([once])
    losses = [[row.get("loss/generator") for run in those for row in run.rows] for those in (runs, [once])]
    assert losses[0] == losses[1]


def test_what_a_kill_left_unsent_comes_when_the_run_goes_on(tmp_path: Path) -> None:
    def begin() -> WandbRun:
        logger = WandbRun(str(tmp_path), id="one", project="genbench", offline=True)
        logger.begin({}, group="gan/digits", tags=[])
        return logger

    killed = begin()
    killed.log_metrics({"loss/generator": 1.0}, 10)
    killed.log_metrics({"loss/generator": 2.0}, 20)  # the row of step 20 is not over yet
    killed._run.finish()
    again = begin()
    for step, loss in ((10, 1.0), (20, 2.0), (30, 3.0)):
        again.log_metrics({"loss/generator": loss}, step)
    again.end("stopped", {})
    first, second = read_offline_runs(tmp_path)
    assert steps_of([first]) == [10]
    assert steps_of([second]) == [20, 30]
    assert second.preempting
    assert second.exit_code == 1


def test_a_run_that_fails_is_shown_as_failed(train: Train) -> None:
    folder = train("steps=40", "method.generator_optimizer.lr=1e38", *ONLINE, status=1)
    assert read_offline_runs(folder)[0].exit_code == 1


def test_without_a_key_one_message_says_what_to_do(
    command_line: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    settings = [*SMALL, "network=mlp", "network.generator.hidden=[8]", "network.discriminator.hidden=[8]"]
    result = command_line("steps=2", *settings, "logger=wandb", f"output={tmp_path}")
    assert result.returncode == 2
    assert "wandb login" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_better_end_of_a_score() -> None:
    assert [better(name) for name in ("fid", "fid_digits", "kid_clip", "bits_per_dim")] == ["min"] * 4
    assert [better(name) for name in ("is", "recall_digits", "coverage_dinov2")] == ["max"] * 3
    assert better("fid_std") is better("nearest_real") is None
