"""CycleGAN's history of generated images."""

import pytest
import torch

from genbench.methods.adversarial.image_pool import ImagePool


def numbered(first: int, count: int) -> torch.Tensor:
    return torch.arange(first, first + count, dtype=torch.float32).view(-1, 1, 1, 1)


def test_until_it_is_full_each_image_is_kept_and_shown() -> None:
    pool = ImagePool(5, (1, 1, 1))
    for first in (0, 2):
        assert torch.equal(pool.exchange(numbered(first, 2)), numbered(first, 2))
    assert pool.images.flatten().tolist() == [0, 1, 2, 3, 0]


def test_once_full_half_of_the_images_shown_are_old() -> None:
    torch.manual_seed(0)
    pool = ImagePool(50, (1, 1, 1))
    shown: list[float] = []
    for step in range(2000):
        given = numbered(2 * step, 2)
        held = set(pool.images.flatten().tolist())
        out = pool.exchange(given)
        for old, new in zip(out.flatten().tolist(), given.flatten().tolist(), strict=True):
            assert old == new or old in held or old == given[0].item()
        shown += (out != given).flatten().tolist()
    old_share = sum(shown[100:]) / len(shown[100:])
    # 3,900 throws of a coin: three standard deviations are 0.024.
    assert old_share == pytest.approx(0.5, abs=0.024)


def test_an_image_that_was_shown_again_is_gone() -> None:
    torch.manual_seed(0)
    pool = ImagePool(3, (1, 1, 1))
    again: list[float] = []
    for step in range(500):
        given = numbered(step, 1)
        out = pool.exchange(given)
        if out.item() != given.item():
            again.append(out.item())
            assert out.item() not in pool.images.flatten().tolist()
    assert len(again) == len(set(again))


def test_no_pool_shows_each_image_as_it_comes() -> None:
    images = torch.randn(4, 3, 2, 2)
    assert torch.equal(ImagePool(0, (3, 2, 2)).exchange(images), images)


def test_the_history_is_saved() -> None:
    pool, other = ImagePool(4, (1, 2, 2)), ImagePool(4, (1, 2, 2))
    pool.exchange(torch.randn(3, 1, 2, 2))
    other.load_state_dict(pool.state_dict())
    for _ in range(5):
        images = torch.randn(2, 1, 2, 2)
        shown = []
        for one in (pool, other):
            torch.manual_seed(7)
            shown.append(one.exchange(images))
        assert torch.equal(*shown)
