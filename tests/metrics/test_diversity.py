"""The diversity of samples of the same condition, with a distance that is known."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.conditions.base import Conditions
from genbench.conditions.source_images import SourceImages
from genbench.images import to_float, to_uint8
from genbench.medium import Images
from genbench.metrics.material import Material, Origin
from genbench.metrics.score import Setting
from genbench.metrics.scores import diversity
from genbench.metrics.scores.diversity import Diversity

SHAPE = (3, 32, 32)
SOURCES = torch.randint(256, (20, *SHAPE), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


@pytest.fixture(autouse=True)
def known_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean absolute difference in place of LPIPS, whose weights need not be there."""
    monkeypatch.setattr(diversity, "load_lpips", lambda name: lambda one, other: (one - other).abs().flatten(1).mean(1))
    monkeypatch.setattr(diversity, "backbone_path", lambda name: None)
    monkeypatch.setattr(diversity, "hash_weights", lambda path: "none")


def method(spread: float) -> Any:
    """Return a method that adds one random number to an image."""

    def sample(count: int, condition: Tensor, *, noise: Any) -> Tensor:
        return (condition / 2 + spread * noise.uniform(count, 1, 1, 1)).clamp(-1, 1)

    return SimpleNamespace(sample=sample, medium=Images(SHAPE), condition=SourceImages(SHAPE), derives_condition=True)


def material_of(spread: float) -> Material:
    origin = Origin(method(spread), SimpleNamespace(), "test", torch.arange(len(SOURCES)))
    return Material(len(SOURCES), conditions=Conditions(SourceImages(SHAPE), SOURCES), origin=origin, seed=4)


def test_without_noise_it_is_zero_and_with_it_the_mean_difference_of_two_draws() -> None:
    assert Diversity(outputs=3).compute(material_of(0.0)) == {"lpips_diversity": 0.0, "lpips_diversity_std": 0.0}
    # The mean distance of two uniform numbers is a third of their range.
    found = Diversity(outputs=10).compute(material_of(0.3))
    assert found["lpips_diversity"] == pytest.approx(0.1, abs=0.02)
    assert found["lpips_diversity_std"] < 0.02


def test_the_first_conditions_are_drawn_again_with_other_seeds() -> None:
    score, material = Diversity(outputs=2, most=5), material_of(0.3)
    (distance,) = [score.compute(material)["lpips_diversity"]]
    assert material.settled["diversity"]["distances"].shape == (5,)
    facts = score.protocol(material)
    assert facts["diversity_outputs"] == 2
    assert facts["diversity_conditions"] == 5
    assert distance == Diversity(outputs=2, most=5).compute(material_of(0.3))["lpips_diversity"]
    assert to_uint8(to_float(SOURCES)).equal(SOURCES)


def test_what_it_does_not_suit() -> None:
    def setting(own: Any, medium: Any) -> Setting:
        return Setting(
            generated=10, reference=None, dimensions=0, class_count=0, labelled=None, medium=medium, method=own
        )

    score = Diversity()
    assert score.unsuited(setting(method(0.1), Images(SHAPE))) is None
    assert score.unsuited(setting(None, Images(SHAPE))) == "it takes a run, not images that are there already"
    alone = SimpleNamespace(condition=None, sample=None)
    assert score.unsuited(setting(alone, Images(SHAPE))) == "it takes a conditional method"
    assert "at least 31 pixels" in str(score.unsuited(setting(method(0.1), Images((3, 16, 16)))))
    for arguments in ({"outputs": 1}, {"most": 0}):
        with pytest.raises(ValueError, match="at least 2 outputs"):
            Diversity(**arguments)
