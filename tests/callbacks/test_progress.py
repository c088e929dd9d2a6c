"""What a training says while it goes on."""

import itertools
import re
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from genbench.callbacks.progress import StepProgress
from genbench.wording import duration


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (90061, "1 d 1 h"), (86400, "1 d")],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_lines_come_ever_fewer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A day of one step a second."""
    now = [0.0]
    monkeypatch.setattr("genbench.callbacks.progress.time.monotonic", lambda: now[0])
    figures = {"loss/generator": torch.tensor(1.5), "speed/images_per_second": 64.0}
    trainer: Any = SimpleNamespace(global_step=0, max_steps=86400, is_global_zero=True, callback_metrics=figures)
    progress = StepProgress()
    progress.on_train_start(trainer, trainer)
    for step in range(1, trainer.max_steps + 1):
        now[0], trainer.global_step = float(step), step
        if step == 500:
            figures["score/fid_digits"] = 12.25
        progress.on_train_batch_end(trainer, trainer, {"loss/generator": None}, None, 0)
    lines = capsys.readouterr().err.splitlines()
    steps = [int(re.match("step ([0-9,]+) of 86,400 ", line)[1].replace(",", "")) for line in lines]  # type: ignore[index]
    pauses = [late - early for early, late in itertools.pairwise(steps)]
    assert steps[0] == 10
    assert pauses[:-1] == sorted(pauses[:-1])
    assert max(pauses) == 300
    assert steps[-1] == 86400
    assert lines[0] == "step 10 of 86,400  64 images/s  23 h 59 min left  generator 1.500"
    assert lines[-1] == "step 86,400 of 86,400  64 images/s  generator 1.500  fid_digits 12.25 at step 499"
