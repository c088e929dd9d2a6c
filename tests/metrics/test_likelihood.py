"""Bits a dimension of held-out images: which images, under which conditions, and the standard error."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.batch import Batch
from genbench.data.store import SampleStore
from genbench.medium import Images
from genbench.metrics.material import Material, Origin
from genbench.metrics.scores.bits_per_dim import BitsPerDim
from genbench.randomness import CHUNK, Noise

LEVELS = torch.arange(150, dtype=torch.uint8)
STORE = SampleStore(LEVELS.view(-1, 1, 1, 1).expand(-1, 1, 2, 2).contiguous(), LEVELS.long() % 10)
DATA: Any = SimpleNamespace(store={"test": STORE}.__getitem__)


class Level:
    """Needs as many bits for an image as its level says."""

    likelihood = "exact"

    def __init__(self, is_conditional: bool) -> None:
        self.is_conditional = is_conditional
        self.medium = Images((1, 2, 2))
        self.noise: list[Tensor] = []

    def condition_of(self, batch: Batch) -> Tensor | None:
        return batch.condition if self.is_conditional else None

    def bits_per_dim(self, x: Tensor, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        levels = ((x[:, 0, 0, 0] + 1) * 127.5).round()
        assert (condition is not None) is self.is_conditional
        if condition is not None:
            assert condition.equal(levels.long() % 10)
        self.noise.append(noise.normal(1, 1))
        return levels


def likelihood_scores(method: Level, *, count: int, seed: int) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the figures of the score and its protocol."""
    score, material = BitsPerDim(count), Material(0, origin=Origin(method, DATA, "test"), seed=seed)
    return score.compute(material), score.protocol(material)


@pytest.mark.parametrize("is_conditional", [True, False])
def test_images_are_taken_evenly_over_a_split(is_conditional: bool) -> None:
    method = Level(is_conditional)
    scores, protocol = likelihood_scores(method, count=75, seed=3)
    taken = torch.arange(0, 150, 2).double()
    assert scores["bits_per_dim"] == pytest.approx(taken.mean().item())
    assert scores["bits_per_dim_std"] == pytest.approx((taken.std() / 75**0.5).item())
    assert protocol == {
        "likelihood": "exact", "likelihood_split": "test", "likelihood_count": 75, "likelihood_seed": 3
    }  # fmt: skip
    # 75 images are two chunks, each with noise of its own.
    assert [noise.item() for noise in method.noise] == [Noise(3, chunk).normal(1, 1).item() for chunk in (0, 1)]
    assert CHUNK < 75 < 2 * CHUNK


def test_no_more_than_all_are_taken_and_one_has_no_error() -> None:
    scores, protocol = likelihood_scores(Level(False), count=1000, seed=0)
    assert protocol["likelihood_count"] == 150
    assert scores["bits_per_dim"] == pytest.approx(74.5)
    assert likelihood_scores(Level(False), count=1, seed=0)[0] == {
        "bits_per_dim": 0, "bits_per_dim_std": 0
    }  # fmt: skip
