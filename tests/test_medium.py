"""What samples are: images and sets of points, checked, stored, saved and shown."""

from pathlib import Path

import pytest
import torch

from genbench.errors import DivergenceError, UserError
from genbench.medium import Images, Medium, Points

MEDIUMS: dict[str, Medium] = {"grey": Images((1, 5, 7)), "colour": Images((3, 4, 4)), "points": Points((6, 2))}


@pytest.fixture(params=sorted(MEDIUMS))
def medium(request: pytest.FixtureRequest) -> Medium:
    return MEDIUMS[request.param]


def drawn(medium: Medium, count: int = 3) -> torch.Tensor:
    return torch.rand(count, *medium.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_samples_that_can_be_pass_as_they_are(medium: Medium) -> None:
    samples = drawn(medium)
    assert medium.check(samples, 3) is samples
    medium.check(samples * 1.005, 3)


def test_what_no_sample_can_be_is_refused(medium: Medium) -> None:
    samples = drawn(medium)
    for wrong, count in ((samples, 4), (samples[0], 3), (samples[..., :-1], 3)):
        with pytest.raises(UserError, match="the method returned samples of shape"):
            medium.check(wrong, count)
    for value in (float("nan"), float("inf")):
        samples = drawn(medium)
        samples[1].view(-1)[2] = value
        with pytest.raises(DivergenceError, match="sample 65 of the method is not finite"):
            medium.check(samples, 3, first=64)


def test_images_have_bounds_and_points_have_none() -> None:
    assert (MEDIUMS["grey"].bounds, MEDIUMS["points"].bounds) == ((-1, 1), None)
    with pytest.raises(UserError, match=r"values from -3 to 3, which must lie in \[-1, 1\]"):
        MEDIUMS["grey"].check(torch.linspace(-3, 3, 35).view(1, 1, 5, 7), 1)
    MEDIUMS["points"].check(torch.linspace(-3, 3, 12).view(1, 6, 2), 1)


def test_stored_samples_are_as_methods_see_them(medium: Medium) -> None:
    samples = drawn(medium)
    stored = medium.store(samples)
    loaded = medium.load(stored)
    assert loaded.dtype == torch.float32
    torch.testing.assert_close(loaded, samples, atol=1 / 255 if medium.bounds else 0, rtol=0)
    # Once stored, nothing more is lost.
    assert torch.equal(medium.store(loaded), stored)
    assert medium.store(samples.double()).dtype == stored.dtype


def test_a_file_holds_one_stored_sample(medium: Medium, tmp_path: Path) -> None:
    stored = medium.store(drawn(medium))
    path = tmp_path / "new" / f"sample{medium.suffix}"
    medium.save(stored[1], path)
    assert torch.equal(medium.read(path), stored[1])
    assert path.stat().st_size <= medium.largest_file()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_pictures_are_grey_or_coloured_images(medium: Medium) -> None:
    stored = medium.store(drawn(medium))
    pictures = medium.picture(stored)
    assert pictures.dtype == torch.uint8
    assert pictures.shape[0] == 3
    assert pictures.shape[1] in (1, 3)
    if isinstance(medium, Images):
        assert torch.equal(pictures, stored)


def test_points_are_black_dots_where_they_lie() -> None:
    centre, right, top = [0.0, 0.0], [1.4, 0.0], [0.0, 1.4]
    picture = Points((3, 2)).picture(torch.tensor([[centre, right, top]]))[0, 0]
    assert picture.shape == (64, 64)
    assert (picture == 0).sum() == 3
    assert (picture == 255).sum() == 64 * 64 - 3
    dots = picture == 0
    # 1.4 of 1.5 lies in pixel 61; rows count downwards, the second coordinate upwards.
    assert dots[31, 32]
    assert dots[31, 61]
    assert dots[2, 32]


def test_points_outside_of_the_picture_are_left_out() -> None:
    assert (Points((4, 2)).picture(torch.full((1, 4, 2), 1.6)) == 255).all()
    far = torch.tensor([[[-1e9, 0.0], [0.0, 1e9], [-1.5, -1.5], [1.5, 0.0]]])
    dots = Points((4, 2)).picture(far)[0, 0] == 0
    assert dots.sum() == 1
    assert dots[63, 0]


def test_points_of_space_are_seen_along_the_last_axis() -> None:
    flat = torch.rand(2, 9, 2) * 2 - 1
    deep = torch.cat([flat, torch.rand(2, 9, 1)], dim=2)
    assert torch.equal(Points((9, 3)).picture(deep), Points((9, 2)).picture(flat))


def test_what_is_said_of_a_sample_in_a_manifest() -> None:
    assert MEDIUMS["colour"].describe() == {"image_shape": [3, 4, 4]}
    assert MEDIUMS["points"].describe() == {"points": [6, 2]}
