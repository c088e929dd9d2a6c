"""The score of identity, by an extractor whose features are known."""

from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.conditions.base import Conditions
from genbench.conditions.shots import Shots
from genbench.images import to_float, to_uint8
from genbench.metrics.extractor import Extractor, Features
from genbench.metrics.features import features_of
from genbench.metrics.material import MAIN, Material, Picked
from genbench.metrics.score import Setting
from genbench.metrics.scores.identity import Identity, next_other

SHOTS = Shots(["ann", "ben"], 2, (1, 4, 4))


class Angles(Extractor):
    """The direction of the angle that an image's brightness, in [-1, 1], is in radians."""

    name, suffix, feature_dim, class_count, resize, weights_sha256 = "angles", "_angles", 2, 0, "none", "0"

    def forward(self, images: Tensor) -> Features:
        angles = to_float(images).flatten(1).mean(1)
        return Features(torch.stack([angles.cos(), angles.sin()], 1), angles.new_empty(len(angles), 0))


def pictures(*brightness: float) -> Tensor:
    return to_uint8(torch.tensor(brightness)[:, None, None, None].expand(-1, 1, 4, 4))


def test_similarities_are_those_to_the_targets() -> None:
    samples, targets = pictures(0.1, 0.2, 0.9), pictures(0.0, 0.0, 1.0)
    frames = to_float(pictures(0.2, 0.2, 0.9))[:, None].expand(-1, 2, -1, -1, -1)
    rows = SHOTS.pack(torch.tensor([0, 0, 1]), frames)
    extractor: Any = Angles()
    material = Material(
        3, features={MAIN: features_set(extractor, samples)}, extractors={MAIN: extractor}, samples=samples,
        conditions=Conditions(SHOTS, rows), targets=Picked(targets, torch.arange(3)),
    )  # fmt: skip
    found = Identity().compute(material)
    angles = torch.tensor([[0.1, 0.2, 0.1], [0.2, 0.2, 0.1], [0.9, 0.9, 0.8]])
    for name, expected in zip(("identity", "identity_same", "identity_other"), angles.cos().mean(1), strict=True):
        assert found[name] == pytest.approx(float(expected), abs=5e-3)
    assert found["identity_std"] > 0


def features_set(extractor: Any, images: Tensor) -> Any:
    class Set:
        features = features_of(extractor, images).features

    return Set()


def test_the_next_of_another_person() -> None:
    assert next_other(torch.tensor([0, 0, 1, 1, 2])).tolist() == [2, 2, 4, 4, 0]
    assert next_other(torch.tensor([3, 5, 3])).tolist() == [1, 2, 1]
    with pytest.raises(ValueError, match="two people"):
        next_other(torch.tensor([1, 1]))


def test_it_is_of_people_alone() -> None:
    setting = Setting(10, None, 2, 0, None, has_targets=True)
    assert "people" in str(Identity().unsuited(setting))
