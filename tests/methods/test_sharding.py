"""Norms of gradients that are whole: those of divided ones are tested by trainings in two processes."""

import pytest
import torch

from genbench.methods.sharding import gathered, is_divided, local, total_norm


def test_what_is_whole_stays_as_it_is() -> None:
    tensor = torch.arange(3.0)
    assert local(tensor) is tensor
    assert not is_divided(tensor)
    with gathered(torch.nn.Linear(2, 2)) as nothing:
        assert nothing is None


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_norm_is_of_all_numbers_together(count: int) -> None:
    tensors = [torch.full((2, 2), float(number)) for number in range(1, count + 1)]
    expected = sum(4 * number**2 for number in range(1, count + 1)) ** 0.5
    assert total_norm(tensors).item() == pytest.approx(expected)
