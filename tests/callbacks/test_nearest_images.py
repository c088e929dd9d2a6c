"""Which training images are nearest to samples."""

import torch
from sklearn.neighbors import NearestNeighbors

from genbench.callbacks.nearest_images import nearest_rows


def test_the_nearest_are_scikit_learns() -> None:
    generator = torch.Generator().manual_seed(0)
    samples, real = (
        torch.randint(0, 256, (count, 1, 8, 8), generator=generator).to(torch.uint8) for count in (5, 9000)
    )
    expected = NearestNeighbors(n_neighbors=3).fit(real.flatten(1).double()).kneighbors(samples.flatten(1).double())[1]
    assert nearest_rows(samples, real, 3).tolist() == expected.tolist()


def test_a_copy_is_its_own_nearest() -> None:
    real = torch.randint(0, 256, (100, 3, 64, 64), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    assert nearest_rows(real[[7, 42]], real, 1).flatten().tolist() == [7, 42]


def test_there_may_be_fewer_images_than_asked_for() -> None:
    real = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    assert nearest_rows(real[:1], real, 3).shape == (1, 2)


def test_of_very_many_images_some_are_looked_at_from_first_to_last() -> None:
    real = torch.zeros(60_001, 1, 2, 2, dtype=torch.uint8)
    real[-1] = 255
    assert nearest_rows(torch.full((1, 1, 2, 2), 255, dtype=torch.uint8), real, 1).item() == 60_000
