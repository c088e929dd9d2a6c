"""Key points and warps: soft-argmax against what it stands for, identities of warps."""

import pytest
import torch

from genbench.methods.autoencoding.keypoints import equivariance_loss, nearness_loss
from genbench.networks.keypoints import Hourglass, KeypointAutoencoder, draw_points, gaussians, soft_argmax
from genbench.networks.thin_plate import ThinPlate

CPU = torch.device("cpu")


def autoencoder(points: int = 4) -> KeypointAutoencoder:
    torch.manual_seed(0)
    return KeypointAutoencoder((1, 16, 16), points, width=8, most=16, depth=2, shrink=1)


def test_soft_argmax_is_the_place_of_a_peak_and_the_middle_of_none() -> None:
    maps = torch.zeros(1, 2, 4, 8)
    maps[0, 0, 3, 1] = 100.0
    found = soft_argmax(maps, 0.1)
    # Middles of pixels: the second of eight, the last of four.
    torch.testing.assert_close(found[0, 0], torch.tensor([-1 + 3 / 8, 1 - 1 / 4]))
    torch.testing.assert_close(found[0, 1], torch.zeros(2))


def test_a_gaussian_is_found_where_it_was_drawn() -> None:
    points = torch.tensor([[[0.2, -0.4], [-0.3, 0.5]]])
    blots = gaussians(points, 64, 64, 0.1)
    torch.testing.assert_close(soft_argmax(blots.clamp_min(1e-9).log(), 1.0), points, atol=1e-3, rtol=0)
    # A deviation away it has the height exp(-1/2).
    beside = gaussians(torch.tensor([[[1 / 64 + 0.1, 1 / 64]]]), 64, 64, 0.1)
    assert float(beside[0, 0, 32, 32]) == pytest.approx(float(torch.tensor(-0.5).exp()), abs=1e-6)


def test_a_picture_of_a_pose_has_a_blot_of_its_own_colour_for_each_point() -> None:
    picture = draw_points(torch.tensor([[[-0.5, 0.0], [0.5, 0.0]]]), 32, 32, 0.05)
    assert picture.shape == (1, 3, 32, 32)
    assert float(picture.min()) == -1.0
    one, other = picture[0, :, 16, 8], picture[0, :, 16, 24]
    assert float((one - other).abs().max()) > 1
    assert float(picture[0, :, 0, 0].max()) == -1.0


def test_a_warp_of_deviation_0_leaves_everything_where_it_is() -> None:
    warp = ThinPlate.draw(3, CPU, affine=0.0, spline=0.0)
    z = torch.rand(3, 5, 2) * 2 - 1
    assert torch.equal(warp.places(z), z)
    x = torch.rand(3, 1, 16, 16)
    torch.testing.assert_close(warp.images(x), x, atol=1e-5, rtol=0)
    points = autoencoder().find(x)
    assert equivariance_loss(points, points, warp).item() == 0.0


def test_a_shift_moves_images_and_places_alike() -> None:
    matrix = torch.tensor([[[1.0, 0.0, 0.25], [0.0, 1.0, 0.0]]])
    warp = ThinPlate(matrix, torch.zeros(1, 25))
    x = gaussians(torch.tensor([[[0.1, -0.2]]]), 64, 64, 0.1)
    found = soft_argmax(warp.images(x).clamp_min(1e-9).log(), 1.0)
    # The pixel at z is that of x at T(z): what was at .1 is now at -.15.
    torch.testing.assert_close(found[0, 0], torch.tensor([-0.15, -0.2]), atol=1e-2, rtol=0)
    torch.testing.assert_close(warp.places(found)[0, 0], torch.tensor([0.1, -0.2]), atol=1e-2, rtol=0)
    assert equivariance_loss(torch.tensor([[[0.1, -0.2]]]), found, warp).item() < 1e-2


def test_a_spline_bends_by_what_its_formula_says() -> None:
    weights = torch.zeros(1, 25)
    weights[0, 12] = 0.3
    z = torch.tensor([[[0.4, -0.1], [0.0, 0.0]]])
    moved = ThinPlate(torch.eye(2, 3)[None], weights).places(z) - z
    r = torch.tensor(0.5)
    torch.testing.assert_close(moved[0, 0], (0.3 * r**2 * r.log()).expand(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(moved[0, 1], torch.zeros(2))


def test_points_in_one_place_are_as_near_as_can_be() -> None:
    assert nearness_loss(torch.zeros(2, 5, 2), 0.1).item() == pytest.approx(1.0)
    apart = torch.tensor([[[0.0, 0.0], [0.3, 0.0]]])
    assert nearness_loss(apart, 0.3).item() == pytest.approx(float(torch.tensor(-0.5).exp()))
    assert nearness_loss(torch.zeros(2, 1, 2), 0.1).item() == 0.0


def test_an_image_is_drawn_of_its_points_and_the_sources_appearance_alone() -> None:
    network = autoencoder().eval()
    source, x = torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16)
    drawn, points = network(source, x)
    assert drawn.shape == x.shape
    torch.testing.assert_close(drawn, network.draw(source, network.find(source), points))


@pytest.mark.parametrize(("shrink", "depth"), [(1, 5), (8, 2)])
def test_images_that_can_not_be_halved_so_often_are_refused(shrink: int, depth: int) -> None:
    with pytest.raises(ValueError, match="16 x 16"):
        Hourglass((1, 16, 16), 4, 8, 16, depth, shrink)
