"""Key points learnt without labels: the loss written out, and that it finds what moves."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from genbench.batch import Batch
from genbench.conditions.shots import Shots
from genbench.methods.autoencoding.keypoints import Keypoints, equivariance_loss, nearness_loss
from genbench.networks.keypoints import KeypointAutoencoder, gaussians
from genbench.networks.thin_plate import ThinPlate
from genbench.randomness import Noise

SHAPE = (1, 16, 16)
SHOTS = Shots(["ann", "ben"], 2, SHAPE)


def make(points: int = 3, **settings: Any) -> Keypoints:
    torch.manual_seed(0)
    network = partial(KeypointAutoencoder, width=8, most=16, depth=2, shrink=1)
    optimizer = settings.pop("optimizer", partial(torch.optim.Adam, lr=1e-3))
    return Keypoints(network, SHAPE, settings.pop("condition", SHOTS), points=points, optimizer=optimizer, **settings)


def batch(x: Tensor, frames: Tensor) -> Batch:
    return Batch(x, SHOTS.pack(torch.arange(len(x)) % 2, frames))


def given(count: int = 4) -> Batch:
    return batch(torch.rand(count, *SHAPE) * 2 - 1, torch.rand(count, 2, *SHAPE) * 2 - 1)


def test_the_loss_is_the_sum_of_its_terms() -> None:
    method = make(equivariance_weight=3.0, separation_weight=0.5, separation=0.2).eval()
    x, rows = given().pair()
    torch.manual_seed(3)
    loss, figures = method.loss(Batch(x, rows))
    torch.manual_seed(3)
    warp = ThinPlate.draw(4, x.device, affine=0.05, spline=0.005)
    x_t = warp.images(x)
    network = method.autoencoder
    source = SHOTS.split(rows)[1][:, 0]
    points = network.find(x_t)
    drawn = network.draw(source, network.find(source), points)
    terms = [l1_loss(drawn, x_t), equivariance_loss(network.find(x), points, warp), nearness_loss(network.find(x), 0.2)]
    torch.testing.assert_close(loss, terms[0] + 3 * terms[1] + 0.5 * terms[2])
    for name, term in zip(("pixels", "equivariance", "nearness"), terms, strict=True):
        torch.testing.assert_close(figures[f"loss/{name}"], term)


def test_samples_are_images_drawn_of_their_points_and_another_frame() -> None:
    method = make().eval()
    x, rows = given().pair()
    condition = method.condition_of(Batch(x, rows))
    points, _, frames = method.condition.split(condition)
    torch.testing.assert_close(points[:, 0], method.find_keypoints(x))
    drawn = method.sample(4, condition, noise=Noise(0))
    network: Any = method.average.module
    torch.testing.assert_close(drawn, network.draw(frames[:, 0], points[:, 1], points[:, 0]))
    # Whatever the pixels of the image, only its key points count.
    other = method.condition.pack(points, rows)
    assert torch.equal(method.sample(4, other, noise=Noise(1)), drawn)


def test_a_blot_that_moves_is_found() -> None:
    """Images are a blot in an arbitrary place; its place is all that they differ in."""
    torch.manual_seed(0)
    method = make(1, affine=0.1, separation_weight=0.0)
    optimizer = torch.optim.Adam(method.autoencoder.parameters(), lr=5e-3)
    for _ in range(80):
        places = torch.rand(16, 2, 1, 2) * 1.2 - 0.6
        blots = 2 * gaussians(places.flatten(0, 1), 16, 16, 0.3).unflatten(0, (16, 2)) - 1
        loss, _ = method.loss(batch(blots[:, 0], blots[:, 1:].expand(-1, 2, -1, -1, -1)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    places = torch.rand(32, 1, 2) * 1.2 - 0.6
    found = method.autoencoder.find(2 * gaussians(places, 16, 16, 0.3) - 1).detach()
    for axis in range(2):
        both = torch.stack([found[:, 0, axis], places[:, 0, axis]])
        assert float(torch.corrcoef(both)[0, 1]) > 0.9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"equivariance_weight": -1.0}, "equivariance_weight"),
        ({"affine": -1.0}, "affine"),
        ({"separation": 0.0}, "separation"),
        ({"points": 0}, "key point"),
        ({"condition": None}, "people by several frames"),
    ],
)
def test_what_does_not_do(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**settings)
