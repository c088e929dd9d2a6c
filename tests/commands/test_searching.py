"""A search over settings: it goes by the monitored score of each run, and goes on where it was."""

import csv
from pathlib import Path

import pytest
import yaml

from genbench.__main__ import main
from genbench.commands.searching import search_overrides
from genbench.config import check
from tests.conftest import NETWORKS, SMALL

RATE = "method.generator_optimizer.lr"
SEARCH = [
    "-m", "hydra/sweeper=search", "experiment=gan_digits", *NETWORKS["mlp"], *SMALL, "steps=4", "sweep=found",
    "callbacks.scores.every=2", f"{RATE}=tag(log,interval(1e-4,1e-2))",
]  # fmt: skip


def best_of(run: Path) -> float:
    with (run / "metrics.csv").open() as file:
        return min(float(row["score/fid_digits"]) for row in csv.DictReader(file) if row["score/fid_digits"])


def test_a_search_goes_by_the_best_monitored_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SEARCH, f"output={tmp_path}", "hydra.sweeper.n_trials=2"]) == 0
    runs = sorted((tmp_path / "found").iterdir())
    assert len(runs) == 2
    (results,) = (tmp_path / "sweeps").rglob("optimization_results.yaml")
    found = yaml.safe_load(results.read_text())
    scores = {best_of(run): run for run in runs}
    assert found["best_value"] == pytest.approx(min(scores), rel=1e-6)
    best = yaml.safe_load((scores[min(scores)] / "config.yaml").read_text())
    (rate,) = found["best_params"].values()
    assert best["method"]["generator_optimizer"]["lr"] == pytest.approx(rate)
    assert 1e-4 <= rate <= 1e-2
    printed = capsys.readouterr().out
    assert f"best score/fid: {min(scores):.4g} with {RATE}=" in printed
    # Again, with more: what was found is kept, and it goes on from there.
    before = {run: (run / "metrics.csv").read_bytes() for run in runs}
    assert main([*SEARCH, f"output={tmp_path}", "hydra.sweeper.n_trials=3"]) == 0
    assert capsys.readouterr().out.count("left as it is") == 2
    assert len(list((tmp_path / "found").iterdir())) == 3
    assert before == {run: (run / "metrics.csv").read_bytes() for run in runs}


@pytest.mark.parametrize(("monitor", "direction"), [("score/fid_digits", "minimize"), ("score/is_digits", "maximize")])
def test_the_direction_follows_from_the_score(monitor: str, direction: str) -> None:
    words = ["experiment=gan_digits", f"callbacks.checkpoints.monitor={monitor}"]
    added = search_overrides(["hydra/sweeper=search"], check("train", words))
    assert f"hydra.sweeper.direction={direction}" in added
    given = search_overrides(["hydra/sweeper=search", "hydra.sweeper.direction=minimize"], check("train", words))
    assert not any(line.startswith("hydra.sweeper.direction") for line in given)


def test_runs_without_scores_are_not_searched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SEARCH, f"output={tmp_path}", "callbacks.scores=null"]) == 2
    assert "a search goes by callbacks.checkpoints.monitor" in capsys.readouterr().err
    assert not (tmp_path / "found").exists()


def test_an_interval_is_checked_at_its_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["-m", "hydra/sweeper=search", "experiment=gan_digits", f"output={tmp_path}", f"{RATE}=interval(-1,1)"]
    assert main(words) == 2
    assert "lr must be more than 0" in capsys.readouterr().err
