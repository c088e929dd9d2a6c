"""Precision, recall, density and coverage against their definitions, written out for every pair."""

import pytest
import torch
from torch_fidelity.metric_prc import calculate_precision_recall_full

from genbench.metrics import neighbours
from genbench.metrics.neighbours import nearest_distances, neighbour_scores


def sets(count: int, other: int, dim: int, shift: float) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(count, dim, generator=generator), torch.randn(other, dim, generator=generator)
    return x * 0.7 + shift + 100, y + 100


@pytest.mark.parametrize(("count", "other", "dim", "k"), [(50, 70, 3, 3), (90, 40, 16, 5), (30, 30, 2, 1)])
def test_scores_are_their_definitions(
    count: int, other: int, dim: int, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "_BLOCK", 16)
    x, y = sets(count, other, dim, 0.3)
    found = neighbour_scores(x, y, k)
    to_real = torch.cdist(x.double(), y.double())
    real_radius = torch.cdist(y.double(), y.double()).sort(1).values[:, k]
    fake_radius = torch.cdist(x.double(), x.double()).sort(1).values[:, k]
    inside = to_real <= real_radius
    assert found.precision == pytest.approx(float(inside.any(1).double().mean()))
    assert found.recall == pytest.approx(float((to_real <= fake_radius[:, None]).any(0).double().mean()))
    assert found.density == pytest.approx(float(inside.double().sum()) / (k * count))
    assert found.coverage == pytest.approx(float(inside.any(0).double().mean()))
    torch.testing.assert_close(found.nearest.double(), to_real.min(1).values, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(nearest_distances(x, y).double(), to_real.min(1).values, rtol=1e-4, atol=1e-4)


def test_precision_and_recall_are_torch_fidelitys() -> None:
    # Far from the origin theirs, in float32 and not centred, would round neighbours away.
    x, y = (part - 100 for part in sets(400, 300, 32, 0.2))
    expected = calculate_precision_recall_full(x, y, 3)
    found = neighbour_scores(x, y, 3)
    assert (found.precision, found.recall) == pytest.approx(expected, abs=1e-6)


def test_ties_are_inside_for_precision_and_outside_for_density() -> None:
    """As in the authors' code of each: on a line the sample is exactly at the radius of the points 0 and 2."""
    real = torch.tensor([[0.0], [2.0], [5.0], [9.0]])
    found = neighbour_scores(torch.tensor([[-2.0], [4.0], [30.0]]), real, k=1)
    # Radii 2, 2, 3, 4: -2 is at the radius of 0; 4 at that of 2 and within that of 5.
    assert found.precision == pytest.approx(2 / 3)
    assert found.density == pytest.approx(1 / 3)
    assert found.coverage == pytest.approx(1 / 4)


def test_copies_are_seen_as_such() -> None:
    _, y = sets(10, 200, 8, 0)
    found = neighbour_scores(y[:100], y)
    assert found.precision == 1
    assert found.nearest.max() < 0.01


def test_dropped_modes_lower_recall_and_coverage_alone() -> None:
    generator = torch.Generator().manual_seed(1)
    real = torch.randn(1000, 2, generator=generator) + 20 * torch.randint(0, 4, (1000, 1), generator=generator)
    one_mode = torch.randn(1000, 2, generator=generator)
    found = neighbour_scores(one_mode, real)
    assert found.precision > 0.9
    assert found.recall < 0.35
    assert found.coverage < 0.35


def test_too_few_images_are_refused() -> None:
    with pytest.raises(ValueError, match="neighbourhoods of 3 take more than 3 images"):
        neighbour_scores(torch.randn(3, 2), torch.randn(10, 2))
