"""Random views of pictures."""

import pytest
import torch

from genbench.cutouts import Cutouts, project


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def ramp(side: int = 16) -> torch.Tensor:
    """A picture whose value is its place across, in [-1, 1], in the first channel, and its place down in the second."""
    places = (torch.arange(side) * 2 + 1) / side - 1
    return torch.stack([places.expand(side, side), places[:, None].expand(side, side)])[None]


def test_whole_views_are_the_picture() -> None:
    pictures = torch.rand(2, 3, 8, 8)
    views = Cutouts(5, least=1.0, noise=0.0)(pictures, generator())
    assert views.shape == (2, 5, 3, 8, 8)
    torch.testing.assert_close(views, pictures[:, None].expand(-1, 5, -1, -1, -1))


def test_crops_lie_within_the_picture() -> None:
    views = Cutouts(64, least=0.25, noise=0.0)(ramp(), generator())[0]
    for channel in range(2):
        # On a ramp the spread of values is the crop's side, and their mean its centre.
        low, high = views[:, channel].flatten(1).aminmax(dim=1)
        sides = (high - low) / 2
        assert float(sides.min()) > 0.2
        assert float(sides.max()) < 1
        assert float(sides.std()) > 0.1
        # No reflection at the borders: the values of a row go up evenly.
        steps = views[:, 0].diff(dim=2) if channel == 0 else views[:, 1].diff(dim=1)
        assert float(steps.min()) > -1e-5
    # A power above 1 makes them smaller.
    small = Cutouts(64, least=0.25, power=4.0, noise=0.0)(ramp(), generator())[0]
    assert float(small[:, 0].std((1, 2)).mean()) < float(views[:, 0].std((1, 2)).mean())


def test_distortions_turn_and_bend() -> None:
    views = Cutouts(64, least=1.0, distortion=1.0, noise=0.0)(ramp(32), generator())[0]
    middle = views[:, :, 8:24, 8:24]
    # A turned ramp changes down, too; about two of three views are.
    slopes = middle[:, 0].diff(dim=1).mean((1, 2)).abs()
    assert 0.4 < float((slopes > 1e-3).float().mean()) < 0.99
    # The mean of many is the picture nearly.
    torch.testing.assert_close(middle.mean(0), ramp(32)[0, :, 8:24, 8:24], atol=0.08, rtol=0)


def test_noise_is_of_the_given_deviation_at_most() -> None:
    views = Cutouts(32, least=1.0, noise=0.1)(torch.zeros(1, 3, 32, 32), generator())[0]
    deviations = views.flatten(1).std(1)
    # 0.1 of values in [0, 1] is 0.2 of those in [-1, 1].
    assert float(deviations.max()) < 0.21
    assert float(deviations.mean()) == pytest.approx(0.1, abs=0.03)


def test_a_map_of_places_is_what_it_says() -> None:
    picture = ramp()
    half = torch.diag(torch.tensor([0.5, 0.5, 1.0]))[None]
    torch.testing.assert_close(project(picture, half), picture / 2)
    # Twice the denominator halves a place.
    torch.testing.assert_close(project(picture, torch.diag(torch.tensor([1.0, 1.0, 2.0]))[None]), picture / 2)


def test_views_have_gradients() -> None:
    pictures = torch.rand(1, 3, 8, 8, requires_grad=True)
    Cutouts(8, least=0.5, distortion=1.0)(pictures, generator()).sum().backward()
    assert pictures.grad is not None
    assert float(pictures.grad.min()) > 0


@pytest.mark.parametrize("settings", [{"count": 0}, {"least": 0}, {"least": 1.5}, {"power": 0}, {"distortion": -1}])
def test_what_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        Cutouts(**settings)  # type: ignore[arg-type]
