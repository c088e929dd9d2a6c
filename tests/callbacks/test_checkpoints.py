"""Which end of a score is the good one."""

from types import SimpleNamespace
from typing import Any

import pytest

from genbench.callbacks.checkpoints import Checkpoints
from genbench.errors import UserError


def kept_at(monitor: str, name: str, values: list[float]) -> list[int]:
    """Return the steps whose weights were kept as the best of scores that came one a step."""
    kept: list[int] = []
    trainer: Any = SimpleNamespace(
        global_step=0, max_steps=-1, is_global_zero=True, default_root_dir="run", callback_metrics={}, loggers=[],
        save_checkpoint=lambda path: kept.append(trainer.global_step),
    )  # fmt: skip
    callback = Checkpoints(every=1000, monitor=monitor)
    for step, value in enumerate(values, start=1):
        trainer.global_step = step
        trainer.callback_metrics = {"loss/generator": 1.0, f"{name}_std": 0.0, name: float(value)}
        callback.on_train_batch_end(trainer, trainer, None, None, 0)
    return kept


@pytest.mark.parametrize(
    ("monitor", "name", "kept"),
    [
        ("score/fid", "score/fid", [1, 3]),
        ("score/fid", "score/fid_digits", [1, 3]),
        ("score/fid", "score/fid_clip", [1, 3]),
        ("score/fid_clip", "score/fid_clip", [1, 3]),
        ("score/fid", "score/fid_inception_0a1b2c3d", [1, 3]),
        ("score/is", "score/is", [1, 2]),
        ("score/is_digits", "score/is_digits", [1, 2]),
        ("score/recall", "score/recall_dinov2", [1, 2]),
        ("score/fid_clip", "score/fid_digits", []),
    ],
)
def test_the_best_is_at_the_good_end_of_the_score(monitor: str, name: str, kept: list[int]) -> None:
    assert kept_at(monitor, name, [2.0, 3.0, 1.0, float("nan"), 1.5]) == kept


def test_a_score_that_does_not_come_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert kept_at("score/fid", "score/is_digits", [1.0, 2.0]) == []
    said = capsys.readouterr().err
    assert said.count("monitor=score/fid is not among the computed scores (score/is_digits)") == 1


def test_what_is_not_a_number_is_never_the_best() -> None:
    assert kept_at("score/fid", "score/fid", [float("nan"), float("inf"), 7.0, float("-inf")]) == [3]


@pytest.mark.parametrize("monitor", ["loss/generator", "score/nearest_real", "fid", "score/fid_std", "score/fidd"])
def test_what_has_no_good_end_can_not_be_watched(monitor: str) -> None:
    with pytest.raises(
        UserError, match=r"callbacks\.checkpoints\.monitor=.* not a score that ranks methods.* score/fid"
    ):
        Checkpoints(every=1, monitor=monitor)
