"""Outlines as sets of points."""

import math

import pytest
import torch

from genbench.data.toy_points import ToyPoints, outline
from genbench.errors import UserError


def test_points_lie_evenly_along_their_outline() -> None:
    circle = outline(0, 12)
    torch.testing.assert_close(circle.norm(dim=1), torch.ones(12))
    steps = (circle.roll(-1, 0) - circle).norm(dim=1)
    torch.testing.assert_close(steps, torch.full((12,), 2 * math.sin(math.pi / 12)))
    for corners in (3, 4):
        points = outline(corners, 24)
        torch.testing.assert_close(points[0], torch.tensor([0.0, 1.0]))
        # The distance of an edge from the centre, at its middle, is the cosine of half its angle.
        assert points.norm(dim=1).min().item() == pytest.approx(math.cos(math.pi / corners), abs=1e-6)
        assert points.norm(dim=1).max().item() == pytest.approx(1)
        steps = (points.roll(-1, 0) - points).norm(dim=1)
        torch.testing.assert_close(steps, torch.full((24,), 2 * math.sin(math.pi / corners) * corners / 24))


def test_splits_are_the_same_whatever_the_runs_seed_and_share_nothing() -> None:
    one, other = ToyPoints(count=50, seed=0), ToyPoints(count=50, seed=7)
    for split, count in (("train", 50), ("test", 10)):
        store = one.store(split)  # type: ignore[arg-type]
        assert store.samples.shape == (count, 24, 2)
        assert torch.equal(store.samples[:], other.store(split).samples[:])  # type: ignore[arg-type]
        assert store.samples[:].abs().max() <= 1
        assert store.conditions is not None
        assert store.conditions[:4].tolist() == [0, 1, 2, 0]
    train, test = one.store("train").samples[:10], one.store("test").samples[:]
    assert (train != test).flatten(1).any(1).all()


def test_batches_are_points_with_their_classes() -> None:
    data = ToyPoints(points=6, count=40, batch_size=8)
    batch = next(iter(data.train_dataloader()))
    data.medium.check(batch.x, 8)
    assert data.condition.check(batch.condition, 8).dtype == torch.int64
    assert data.condition.describe(torch.tensor([2])) == ["2: triangle"]
    described = data.describe()
    assert (described["points"], described["parts"]["train"]["by_class"]) == ([6, 2], [14, 13, 13])


def test_sizes_that_do_not_do() -> None:
    for settings in ({"points": 2}, {"count": 9}):
        with pytest.raises(UserError, match=rf"data\.{next(iter(settings))} must be at least"):
            ToyPoints(**settings)
    with pytest.raises(UserError, match="images are needed"):
        _ = ToyPoints().image_shape
