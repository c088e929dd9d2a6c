"""scikit-learn's digits as a data module."""

import pytest
import torch

from genbench.conditions.base import Index
from genbench.data.digits import Digits
from genbench.errors import UserError


def test_splits_are_fixed_and_share_no_image() -> None:
    data = Digits(size=8)
    train, test = data.store("train"), data.store("test")
    assert (len(train), len(test)) == (1442, 355)
    assert torch.equal(Digits(size=8, seed=5).store("test").samples, test.samples)
    # Each class is a tenth of both, give or take what chance allows.
    for store in (train, test):
        shares = torch.bincount(store.conditions, minlength=10) / len(store)
        assert (shares - 0.1).abs().max() < 0.01


def test_pixels_at_the_digits_own_size_are_sklearns() -> None:
    from sklearn.datasets import load_digits

    ink = torch.from_numpy(load_digits().images[:4] * 255 / 16).round().to(torch.uint8)
    assert torch.equal(Digits(size=8).store("train").samples[:4, 0], ink)


@pytest.mark.parametrize("size", [8, 16, 28, 33])
def test_images_have_the_size_that_was_asked_for(size: int) -> None:
    data = Digits(size=size, batch_size=7)
    assert data.image_shape == (1, size, size)
    batch = next(iter(data.train_dataloader()))
    assert batch.x.shape == (7, 1, size, size)
    assert (data.condition.form, batch.condition.dtype) == (Index(10), torch.int64)
    # White ink on black in both.
    assert batch.x.mean() < 0
    assert batch.x.max() > 0.9


def test_sizes_that_do_not_do() -> None:
    with pytest.raises(UserError, match=r"data\.size"):
        Digits(size=4)
    with pytest.raises(UserError, match=r"data\.batch_size"):
        Digits(batch_size=0)
