"""Pictures may fail, trainings may not."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.callbacks import sample_grid
from genbench.callbacks.sample_grid import SampleGrid
from genbench.figures.grid import place_beside
from genbench.medium import Images
from tests.commands.test_train import last_checkpoint
from tests.conftest import Train


@pytest.mark.parametrize("error", [RuntimeError("half an ability"), OSError(28, "No space left on device")])
def test_a_picture_that_fails_ends_no_training(
    train: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def fail(self: SampleGrid, trainer: Any, method: Any) -> Tensor:
        raise error

    monkeypatch.setattr(SampleGrid, "_strips", fail)
    folder = train("steps=8", "callbacks.grid.every=3")
    said = capsys.readouterr().err
    assert said.count("warning: callbacks.grid could draw no picture at step 3") == 1
    assert "training goes on" in said
    assert "no picture at step 6" not in said
    # What could be drawn was.
    assert (folder / "samples" / "step_0000006.png").is_file()
    assert last_checkpoint(folder)["global_step"] == 8


def test_a_method_with_a_part_of_an_ability_is_not_asked_for_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It decodes, but does not say how long its latents are."""
    drawn: list[str] = []
    monkeypatch.setattr(sample_grid, "log_picture", lambda trainer, key, image, stem: drawn.append(key))
    trainer: Any = SimpleNamespace(
        global_step=1,
        max_steps=1,
        is_global_zero=True,
    )
    method = SimpleNamespace(
        condition=None,
        medium=Images((1, 8, 8)),
        decode=None,
        whole_averages=nullcontext,
        sample=lambda count, condition, noise: torch.zeros(count, 1, 8, 8),
    )
    SampleGrid(every=1).on_train_batch_end(trainer, method, None, None, 0)
    assert drawn == ["samples/grid"]
    assert capsys.readouterr().err == ""


def test_a_source_of_another_size_stands_beside_its_target() -> None:
    source = torch.arange(4, dtype=torch.uint8).view(1, 1, 2, 2)
    target = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    both = place_beside(source, target)
    assert both.shape == (1, 3, 4, 8)
    assert both[0, 0, :, :4].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]
