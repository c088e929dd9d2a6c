"""What looking at a training may cost."""

from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.callbacks.online_scores import OnlineScores
from genbench.callbacks.sample_grid import SampleGrid
from genbench.callbacks.spacing import what_it_took
from genbench.errors import UserError
from genbench.medium import Images
from genbench.randomness import CHUNK, Noise

Watch = Callable[..., tuple[list[int], float, float]]


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Return a function that lets a callback look at a training by a clock of its own.

    It returns the steps at which it did, the seconds it took, and those of the whole run.
    """
    now = [0.0]
    monkeypatch.setattr("genbench.callbacks.spacing.time.monotonic", lambda: now[0])
    monkeypatch.setattr("genbench.callbacks.spacing.seconds_of", lambda trainer: now[0])

    def run(callback: Any, act: str, steps: int, step_seconds: float, cost: float, first: int = 1) -> Any:
        method = SimpleNamespace(sample=print, whole_averages=nullcontext)
        trainer: Any = SimpleNamespace(
            strategy=SimpleNamespace(broadcast=lambda value: value),
            global_step=0,
            max_steps=steps,
            is_global_zero=True,
            world_size=1,
        )
        at: list[int] = []

        def spend(*arguments: Any) -> None:
            at.append(trainer.global_step)
            now[0] += cost

        monkeypatch.setattr(callback, act, spend)
        for step in range(first, steps + 1):
            now[0] += step_seconds
            trainer.global_step = step
            callback.on_train_batch_end(trainer, method, None, None, 0)
        return at, callback.spacing.seconds, now[0]

    return run


def test_costly_grids_wait_until_they_are_a_small_part_of_the_time(watch: Watch) -> None:
    """A diffusion model: a grid takes as long as 600 steps."""
    steps, spent, total = watch(SampleGrid(every=500), "draw", 30_000, 0.1, 60.0)
    # The first is drawn whatever it takes, the last too; the second when 120 seconds are a twentieth of the time.
    assert steps == [1, 23_500, 30_000]
    # But for the one at the end.
    assert spent == 120 <= 0.05 * total


def test_cheap_grids_come_as_they_are_asked_for(watch: Watch) -> None:
    steps, _, _ = watch(SampleGrid(every=10), "draw", 35, 1.0, 0.01)
    assert steps == [1, 2, 4, 8, 10, 20, 30, 35]


@pytest.mark.parametrize(("share", "expected"), [(1.0, [50, 100, 150, 175]), (0.05, [100, 175])])
def test_scores_on_the_way_are_spaced_unless_there_is_no_limit(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, share: float, expected: list[int]
) -> None:
    evaluator: Any = SimpleNamespace(seed=0, count=640)
    scores = OnlineScores(evaluator, every=50, max_fraction=share)
    monkeypatch.setattr(scores, "_expected_seconds", lambda trainer, method: 4.0)
    assert watch(scores, "_score", 175, 0.5, 5.0)[0] == expected


def test_what_a_first_score_will_take_is_found_by_a_few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("genbench.callbacks.spacing.time.monotonic", lambda: now[0])

    def sample(count: int, condition: None = None, *, noise: Noise) -> Tensor:
        now[0] += 3.0
        return torch.zeros(count, 1, 2, 2)

    evaluator: Any = SimpleNamespace(seed=0, count=2000)
    scores, grid = OnlineScores(evaluator, every=5), SampleGrid(every=5, count=CHUNK + 1)
    method: Any = SimpleNamespace(sample=sample, medium=Images((1, 2, 2)), whole_averages=nullcontext)
    trainer: Any = SimpleNamespace(global_step=5, max_steps=10, world_size=1, callbacks=[grid, scores])
    assert scores._expected_seconds(trainer, method) == pytest.approx(3.0 * 2000 / CHUNK)
    assert scores.spacing.seconds == 3.0
    # Where a grid of two chunks was drawn it is known already.
    grid.spacing.expect(8.0)
    assert scores._expected_seconds(trainer, method) == pytest.approx(4.0 * 2000 / CHUNK)
    assert scores.spacing.seconds == 3.0


def test_what_it_took_is_said() -> None:
    grid = SampleGrid(every=1)
    grid.spacing.seconds, grid.spacing.at_end = 12.0, 90.0
    trainer: Any = SimpleNamespace(callbacks=[grid, SimpleNamespace()])
    assert (
        what_it_took(trainer, 240.0)
        == "pictures and scores took 12 s of that on the way (5%) and 1 min 30 s at the end"
    )


def test_a_session_that_goes_on_knows_what_earlier_ones_spent(watch: Watch) -> None:
    first = SampleGrid(every=100)
    watch(first, "draw", 101, 0.1, 50.0)
    second = SampleGrid(every=100)
    second.load_state_dict(first.state_dict())
    steps, spent, _ = watch(second, "draw", 301, 0.1, 50.0, first=102)
    assert steps == [301]
    assert (spent, second.spacing.at_end) == (50, 50)


def test_a_part_is_a_part() -> None:
    for share in (0.0, -1.0, 1.5, float("nan")):
        with pytest.raises(UserError, match=r"callbacks\.grid\.max_fraction must be above 0"):
            SampleGrid(every=1, max_fraction=share)
