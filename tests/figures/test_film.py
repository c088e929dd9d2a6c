"""Film strips: a row for each edit."""

import torch

from genbench.conditions.base import Conditions
from genbench.conditions.classes import Classes
from genbench.figures.film import film_strips
from genbench.figures.grid import make_grid


def frames(count: int, length: int) -> torch.Tensor:
    return (torch.arange(count * length) % 256).to(torch.uint8).view(count, length, 1, 1, 1).expand(-1, -1, 1, 64, 64)


def test_a_row_begins_with_what_was_given_and_ends_with_what_came_of_it() -> None:
    few, images = frames(2, 3), torch.full((2, 1, 64, 64), 200, dtype=torch.uint8)
    expected = torch.cat([images[:, None], few], dim=1).flatten(0, 1)
    assert torch.equal(film_strips(few, images, None), make_grid(expected, 4))
    # Of many frames the first and the last are among those that are shown.
    many = frames(1, 100)
    shown = film_strips(many, None, None)
    assert shown.shape[2] == 12 * 66 + 2
    assert (shown[0, 2, 2], shown[0, 2, -3]) == (0, 99)


def test_the_condition_stands_below_the_first_frame() -> None:
    conditions = Conditions(Classes(["cat", "dog"]), torch.tensor([0, 1]))
    with_text = film_strips(frames(2, 3), None, conditions)
    plain = film_strips(frames(2, 3), None, None)
    assert with_text.shape[2] == plain.shape[2]
    assert with_text.shape[1] > plain.shape[1]
