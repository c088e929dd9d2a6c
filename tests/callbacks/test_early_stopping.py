"""Early stopping: when it stops, that it is resumed exactly, and how such a run ends."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from genbench.__main__ import main
from genbench.callbacks.early_stopping import EarlyStopping
from genbench.errors import UserError
from tests.commands.test_train import last_checkpoint
from tests.conftest import Train


def show(callback: EarlyStopping, values: list[float], first: int = 1, name: str = "score/fid_digits") -> int | None:
    """Show one score a step; return the step at which the training is stopped."""
    trainer: Any = SimpleNamespace(
        global_step=0, max_steps=1000, should_stop=False, callback_metrics={},
        strategy=SimpleNamespace(broadcast=lambda value: value),
    )  # fmt: skip
    for step, value in enumerate(values, start=first):
        trainer.global_step = step
        trainer.callback_metrics = {"loss/generator": 1.0, name: float(str(value))}
        callback.on_train_batch_end(trainer, trainer, None, None, 0)
        # Nothing new came in the next step.
        callback.on_train_batch_end(trainer, trainer, None, None, 0)
        if trainer.should_stop:
            return step
    return None


NAN = float("nan")


@pytest.mark.parametrize(
    ("settings", "values", "stopped"),
    [
        ({"patience": 2}, [5, 4, 4.5, 4.2, 1], 4),
        ({"patience": 2}, [5, 4, 4.5, 3, 3.5, 3, 1], 6),
        ({"patience": 2, "min_delta": 0.5}, [5, 4.9, 4.6, 4.0], 3),
        ({"patience": 1}, [5, 4, 3, 2], None),
        ({"patience": 2, "mode": "max"}, [5, 4, 3, 2], 3),
        ({"patience": 2}, [NAN, NAN, 1], 2),
        ({"patience": 2}, [5, NAN, 4, NAN, NAN], 5),
        ({"patience": None}, [5, 6, 7, 8, 9], None),
    ],
)
def test_it_stops_after_so_many_scores_without_an_improvement(
    settings: dict[str, Any], values: list[float], stopped: int | None
) -> None:
    assert show(EarlyStopping(**settings), values) == stopped


def test_it_knows_which_end_of_a_score_is_better() -> None:
    callback = EarlyStopping("score/is", patience=2)
    assert show(callback, [1, 2, 3, 2.5, 2.9], name="score/is_digits") == 5
    assert callback.reason == "score/is_digits has not improved on 3 of step 3 in 2 scores"


def test_its_state_is_resumed_exactly() -> None:
    values = [5.0, 4.0, 4.5, 4.4, 4.3, 4.2]
    whole = EarlyStopping(patience=3)
    assert show(whole, values) == 5
    for stop in range(1, 5):
        first, second = EarlyStopping(patience=3), EarlyStopping(patience=3)
        assert show(first, values[:stop]) is None
        second.load_state_dict(first.state_dict())
        assert show(second, values[stop:], first=stop + 1) == 5
        assert second.reason == whole.reason
    # What was stopped and goes on all the same waits anew, for something better than the best.
    again = EarlyStopping(patience=3)
    again.load_state_dict(whole.state_dict())
    assert show(again, [4.1, 4.1, 4.1], first=6) == 8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patience": 0}, "patience must be at least 1"),
        ({"min_delta": -1.0}, "min_delta must be at least 0"),
        ({"monitor": "score/nearest_real"}, "not a score that ranks methods"),
        ({"monitor": "loss/generator"}, "not a score that ranks methods"),
    ],
)
def test_settings_that_do_not_do(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        EarlyStopping(**settings)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["patience=1", "monitor=score/fidd"], "never comes in this run: choose one of score/fid"),
        (["patience=1", "monitor=score/kid"], "never comes in this run"),
        (["patience=1", "monitor=score/fid_clip"], "never comes in this run"),
        (["patience=0"], "callbacks.early_stopping.patience must be at least 1"),
        (["patience=1", "mode=least"], "must be one of min, max or null"),
        (["monitor=score/fid"], "has no effect without callbacks.early_stopping.patience=N"),
    ],
)
def test_a_mistake_gets_one_message(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *(f"callbacks.early_stopping.{word}" for word in words)]) == 2
    assert message in capsys.readouterr().err
    for without in ("metrics=none", "callbacks.scores=null"):
        assert main(["train", without, "callbacks.early_stopping.patience=1"]) == 2
        assert f"never comes: {without}" in capsys.readouterr().err


# No score of a small rate improves by so much. Epochs are of 45 steps: 90 ends one.
WORDS = ["steps=200", "callbacks.early_stopping.patience=2", "callbacks.early_stopping.min_delta=1e9"]


@pytest.mark.parametrize("every", [10, 30])
def test_a_run_that_is_stopped_early_ends_well_and_can_go_on(
    train: Train, tmp_path: Path, every: int, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(*WORDS, f"callbacks.scores.every={every}")
    said = capsys.readouterr()
    assert f"trained {3 * every} of 200 steps" in said.out
    assert "stopped early: score/fid_digits has not improved on" in said.out
    assert f"of step {every} in 2 scores" in said.out
    assert "error" not in said.err
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["steps"] == 3 * every
    assert manifest["ended"]["how"] == "stopped early"
    assert last_checkpoint(run)["global_step"] == 3 * every
    assert (run / "scores.json").exists()
    assert main(["report", f"runs={run}", f"out={tmp_path / 'page'}"]) == 0
    page = (tmp_path / "page" / "index.html").read_text()
    assert "stopped early" in page
    assert ">finished<" not in page
    # It goes on where it stood, waits anew, and is whole in the end.
    assert main(["train", f"run={run}", f"steps={4 * every}"]) == 0
    assert last_checkpoint(run)["global_step"] == 4 * every
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["ended"] is None
    assert manifest["steps"] == 4 * every


def test_a_sweep_leaves_what_was_stopped_early_as_it_is(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*WORDS, "callbacks.scores.every=10", "sweep=again"]
    run = train(*words, name="again")
    before = (run / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    capsys.readouterr()
    assert train(*words, name="again") == run
    assert "was stopped early" in capsys.readouterr().out
    assert (run / "checkpoints" / "last.ckpt").stat().st_mtime_ns == before
