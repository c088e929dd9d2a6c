"""Rows that a frozen encoder reads once for all steps of a sampler."""

import torch
from torch import Tensor

from genbench.methods.denoising.remembered import Remembered


def counting() -> tuple[Remembered[Tensor], list[Tensor]]:
    calls: list[Tensor] = []

    def double(rows: Tensor) -> Tensor:
        calls.append(rows)
        return 2 * rows

    return Remembered(double), calls


@torch.no_grad()
def test_rows_that_take_turns_are_read_once_each() -> None:
    double, calls = counting()
    captions, nothing = torch.tensor([[1, 2], [3, 4]]), torch.zeros(1, 2, dtype=torch.long).expand(2, -1)
    for _ in range(5):
        assert torch.equal(double(captions), 2 * captions)
        assert torch.equal(double(nothing), nothing)
    assert len(calls) == 2


@torch.no_grad()
def test_other_rows_are_read_anew() -> None:
    double, calls = counting()
    rows = torch.tensor([[1, 2]])
    double(rows)
    # In the place of those that were known, as a buffer that is filled anew would be.
    rows[0, 0] = 5
    assert torch.equal(double(rows), torch.tensor([[10, 4]]))
    assert torch.equal(double(rows[:, :1]), torch.tensor([[10]]))
    assert torch.equal(double(torch.tensor([[7, 7]])), torch.tensor([[14, 14]]))
    assert len(calls) == 4


def test_in_training_each_batch_is_read() -> None:
    double, calls = counting()
    rows = torch.tensor([[1, 2]])
    assert torch.equal(double(rows), double(rows))
    assert len(calls) == 2
