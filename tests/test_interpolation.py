"""Interpolation between latents against geometry."""

import math

import pytest
import torch

from genbench.interpolation import PATHS, closed_path, lerp, slerp


def latents(count: int) -> torch.Tensor:
    return torch.randn(count, 100, dtype=torch.float64, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("path", [lerp, slerp])
def test_paths_begin_and_end_where_they_should(path: object) -> None:
    start, end = latents(4), latents(5)[:4]
    z = path(start, end, torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64))  # type: ignore[operator]
    assert z.shape == (4, 3, 100)
    torch.testing.assert_close(z[:, 0], start)
    torch.testing.assert_close(z[:, 2], end)


def test_a_circle_keeps_the_length_and_turns_evenly_where_a_line_cuts_short() -> None:
    start, end = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 3.0]])
    t = torch.linspace(0, 1, 7)
    on_circle = slerp(start, end, t)[0]
    torch.testing.assert_close(on_circle.norm(dim=1), torch.full((7,), 3.0))
    angles = torch.atan2(on_circle[:, 1], on_circle[:, 0])
    torch.testing.assert_close(angles, t * math.pi / 2)
    assert lerp(start, end, t)[0].norm(dim=1).min().item() == pytest.approx(3 / math.sqrt(2))


def test_lengths_between_unlike_latents_change_evenly() -> None:
    start, end = 2 * latents(3), latents(6)[:3]
    t = torch.linspace(0, 1, 5, dtype=torch.float64)
    lengths = slerp(start, end, t).norm(dim=2)
    expected = (1 - t) * start.norm(dim=1, keepdim=True) + t * end.norm(dim=1, keepdim=True)
    torch.testing.assert_close(lengths, expected)


def test_latents_on_one_line_are_joined_by_it() -> None:
    start = latents(2)
    t = torch.linspace(0, 1, 5, dtype=torch.float64)
    for end in (start, 2 * start, -start):
        torch.testing.assert_close(slerp(start, end, t), lerp(start, end, t))


def test_a_closed_path_visits_each_stop_once() -> None:
    stops = latents(3)
    z = closed_path(stops, 4, slerp)
    assert z.shape == (12, 100)
    torch.testing.assert_close(z[::4], stops)
    torch.testing.assert_close(
        z[9:], slerp(stops[2:], stops[:1], torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64))[0]
    )


@pytest.mark.parametrize("path", sorted(PATHS))
def test_the_ends_are_exact_also_in_float32_and_for_parallel_latents(path: str) -> None:
    start = latents(6).float()
    # Unlike directions, the same, opposite, another length, and no direction at all.
    end = torch.stack([latents(7)[0].float(), start[1], -start[2], 3 * start[3], -0.5 * start[4], 0 * start[5]])
    z = PATHS[path](start, end, torch.linspace(0, 1, 5))
    assert z.isfinite().all()
    assert torch.equal(z[:, 0], start)
    assert torch.equal(z[:, -1], end)
    # Where there is no great circle the path is the line.
    torch.testing.assert_close(z[1:5], lerp(start, end, torch.linspace(0, 1, 5))[1:5])
