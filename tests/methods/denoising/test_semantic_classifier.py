"""A linear classifier of vectors: what it learns, and that vectors are led where it says."""

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.batch import Batch
from genbench.conditions.attributes import Attributes
from genbench.conditions.base import Condition
from genbench.errors import UserError
from genbench.medium import Images
from genbench.methods.denoising.semantic_classifier import SemanticClassifier
from tests.kinds import classes

SHAPE = (1, 2, 2)
SCALES = torch.tensor([1.0, 10.0, 0.1, 3.0])


class Pixels(nn.Module):
    """Embed an image as its four pixels, each at a scale of its own."""

    is_part = True
    embedding_dim = 4
    medium = Images(SHAPE)

    def embed(self, x: Tensor) -> Tensor:
        return x.flatten(1) * SCALES + 5


def make(condition: Condition | None) -> SemanticClassifier:
    torch.manual_seed(0)
    part: Any = Pixels()
    return SemanticClassifier(
        Images(SHAPE), condition, autoencoder=part, optimizer=partial(torch.optim.Adam, lr=0.05), ema_decay=0.0
    )


def trained(condition: Condition, label: Any) -> tuple[SemanticClassifier, Tensor]:
    """Return a classifier of images by what a function says of them, and the images."""
    method, x = make(condition), torch.rand(256, *SHAPE) * 2 - 1
    optimizer = torch.optim.Adam(method.classifier.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        loss, figures = method.loss(Batch(x, label(x)))
        loss.backward()
        optimizer.step()
    assert figures["loss/accuracy"] > 0.95
    method.average.update_parameters(method.classifier)
    return method, x


def largest(x: Tensor) -> Tensor:
    return x.flatten(1).argmax(1)


def signs(x: Tensor) -> Tensor:
    """Return which pixels are bright; of the last nothing is known, and it would be the opposite of the first."""
    rows = (x.flatten(1) > 0).float()
    return torch.cat([rows[:, :3], torch.full_like(rows[:, 3:], 0.5)], dim=1)


def test_classes_are_led_to_by_the_difference_of_two_weights() -> None:
    method, x = trained(classes(4), largest)
    z = method.encode(x)
    led = method.lead(z, 2, 1.0)
    assert (method.recognise(led)[:, 2] > method.recognise(z)[:, 2] - 1e-6).all()
    assert (method.recognise(led).argmax(1) == 2).float().mean() > 0.8
    # What shows it already is left.
    shows = method.recognise(z).argmax(1) == 2
    assert torch.equal(led[shows], z[shows])
    # As far as was asked for, in deviations of each number.
    far = ((led - z) / z.std(0)).norm(dim=1)[~shows]
    torch.testing.assert_close(far, torch.full_like(far, math.sqrt(4)), rtol=0.02, atol=0)


def test_attributes_are_led_to_and_away_from_one_at_a_time() -> None:
    method, x = trained(Attributes(["a", "b", "c", "d"]), signs)
    z = method.encode(x)
    towards, away = (method.recognise(method.lead(z, 1, strength)) for strength in (1.0, -1.0))
    assert towards[:, 1].mean() > 0.9
    assert away[:, 1].mean() < 0.1
    before = method.recognise(z)
    assert (towards - before)[:, 0].abs().mean() < 0.15


def test_what_it_can_not_classify() -> None:
    with pytest.raises(ValueError, match="takes data with classes or attributes"):
        make(None)
    part: Any = Pixels()
    with pytest.raises(ValueError, match=r"encodes images of shape \(1, 2, 2\), and the data has \(1, 4, 4\)"):
        SemanticClassifier(Images((1, 4, 4)), classes(2), autoencoder=part, optimizer=torch.optim.Adam)


def test_away_from_a_class_is_towards_the_next_one() -> None:
    method, x = trained(classes(4), largest)
    z = method.encode(x)
    before, after = (method.recognise(each) for each in (z, method.lead(z, 2, -1.0)))
    shows = before.argmax(1) == 2
    assert shows.any()
    assert (after[shows, 2] < before[shows, 2]).all()
    assert (after[shows].argmax(1) != 2).float().mean() > 0.8


def test_one_image_a_process_is_too_few() -> None:
    method, x = trained(classes(4), largest)
    with pytest.raises(UserError, match="at least two images"):
        method.training_step(Batch(x[:1], torch.tensor([0])), 0)
