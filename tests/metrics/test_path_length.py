"""Path lengths of a generator that is a linear map, whose lengths are known."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.medium import Images
from genbench.metrics.extractors.digits import load_digit_classifier
from genbench.metrics.material import Material, Origin
from genbench.metrics.path_steps import path_length
from genbench.metrics.score import Setting
from genbench.metrics.scores.path_length import PathLength
from genbench.metrics.scores.ppl import Ppl


class Linear:
    """w = z a, and an image is w."""

    layers, latent_dim, style_dim = 2, 16, 16
    condition = None
    derives_condition = False
    device = torch.device("cpu")
    medium = Images((1, 4, 4))

    def __init__(self, a: float) -> None:
        self.a = a
        self.mean_style = torch.zeros(16)

    def styles(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        return (self.a * z.double())[:, None].expand(-1, 2, -1)

    def synthesise(self, w: Tensor) -> Tensor:
        return w[:, 1].unflatten(1, (1, 4, 4))

    def decode(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.synthesise(self.styles(z, condition))

    def sample(self, *_: Any, **__: Any) -> Tensor:
        raise AssertionError

    def condition_of(self, batch: Any) -> Tensor | None:
        raise AssertionError


def squared(one: Tensor, other: Tensor) -> Tensor:
    return (one - other).square().flatten(1).sum(1)


def test_in_w_it_is_the_squared_length_of_the_way() -> None:
    # |a (z' - z)|^2 is a^2 times 32 on average: twice a chi-squared variable of 16 degrees. Without its extremes of one
    # per cent the mean is a little less.
    found = path_length(Linear(3.0), 4000, 0, squared, "w")  # type: ignore[arg-type]
    z = 2**0.5 * torch.randn(200_000, 16, generator=torch.Generator().manual_seed(0))
    lengths = 9 * z.square().sum(1)
    low, high = lengths.quantile(0.01), lengths.quantile(0.99)
    assert found == pytest.approx(float(lengths[(lengths >= low) & (lengths <= high)].mean()), rel=0.03)


def test_in_z_it_is_that_along_the_arc() -> None:
    # An arc of length |z| theta, with theta about pi / 2 in many dimensions, and lengths that differ a little.
    found = path_length(Linear(1.0), 4000, 0, squared, "z")  # type: ignore[arg-type]
    assert 30 < found < 46
    assert path_length(Linear(2.0), 4000, 0, squared, "z") == pytest.approx(4 * found, rel=1e-4)  # type: ignore[arg-type]


def test_by_the_features_of_an_extractor() -> None:
    class Digits(Linear):
        medium = Images((1, 28, 28))

        def synthesise(self, w: Tensor) -> Tensor:
            return torch.nn.functional.interpolate(super().synthesise(w).float(), (28, 28), mode="bicubic").clamp(-1, 1)

    extractor = load_digit_classifier()
    lengths = []
    for a in (0.2, 0.4):
        material = Material(
            64, extractors={"main": extractor}, origin=Origin(Digits(a), SimpleNamespace(), "test"), seed=3
        )
        found = PathLength().compute(material)
        assert found.keys() == {"path_length_w", "path_length_z"}
        lengths.append(found["path_length_w"])
        assert PathLength().compute(material) == found
    assert all(0 < length < 1e4 for length in lengths)


def test_it_is_of_methods_with_styles() -> None:
    def setting(method: Any) -> Setting:
        return Setting(64, 64, 16, 0, False, Images((1, 4, 4)), method)

    assert PathLength().unsuited(setting(Linear(1.0))) is None
    assert "such as stylegan" in (PathLength().unsuited(setting(SimpleNamespace())) or "")
    assert "images that are there" in (PathLength().unsuited(setting(None)) or "")
    assert Ppl.chosen == "named"
