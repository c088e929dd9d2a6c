"""What can be trained but not sampled: pictures and scores are left out, and the verbs that draw say so."""

import csv
from pathlib import Path

import pytest

from genbench import plugins
from genbench.__main__ import main

WORDS = ["--plugin", "tests", "method=linear_classifier", "data=digits", "data.size=8", "trainer.accelerator=cpu"]


@pytest.fixture(autouse=True)
def admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no package admitted behind."""
    monkeypatch.setenv("GENBENCH_PLUGINS", "")
    monkeypatch.setattr(plugins, "conf_folders", lambda: [Path(__file__).parents[1] / "plugins" / "conf"])


def test_it_trains_goes_on_and_draws_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WORDS, "steps=100", f"output={tmp_path}", "name=run", "callbacks.grid.every=10"]) == 0
    printed = capsys.readouterr()
    assert "warning" not in printed.err
    assert "genbench sample" not in printed.out
    assert "genbench report" in printed.out
    (run,) = (tmp_path / "run").iterdir()
    assert not (run / "samples").exists()
    assert not (run / "scores.json").exists()
    assert main(["train", "--plugin", "tests", f"run={run}", "steps=150"]) == 0
    with (run / "metrics.csv").open() as file:
        losses = [float(row["loss/cross_entropy"]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0]
    for verb in ("sample", "evaluate"):
        capsys.readouterr()
        assert main([verb, "--plugin", "tests", f"run={run}", "device=cpu"]) == 2
        assert "draws no samples" in capsys.readouterr().err
    assert main(["report", "--plugin", "tests", f"runs={run}", f"out={tmp_path / 'page'}"]) == 0
