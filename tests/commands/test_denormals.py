"""Attention that has grown sharp slows no training down."""

import pytest
import torch

from genbench.commands import load


@pytest.fixture
def denormals() -> object:
    """Let the tests that follow count with what the ones before did."""
    before = (torch.tensor(1e-40) * 1).item() != 0
    if not torch.set_flush_denormal(False):
        pytest.skip("this processor has no such setting")
    yield
    torch.set_flush_denormal(not before)


def test_numbers_below_the_normal_range_are_zero(denormals: object) -> None:
    small = torch.tensor(1e-40)
    assert (small * 1).item() != 0
    load("train")
    assert (small * 1).item() == 0
