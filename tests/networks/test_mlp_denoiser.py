"""The fully connected denoiser: shapes, and what it depends on."""

import pytest
import torch

from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions
from genbench.conditions.source_images import SourceImages
from genbench.networks.mlp_denoiser import MLPDenoiser
from tests.kinds import classes
from tests.networks.test_unet import awake


@pytest.mark.parametrize(
    ("shape", "outputs", "expected"),
    [((6, 2), 1, (6, 2)), ((6, 2), 2, (12, 2)), ((5,), 3, (15,))],
)
def test_predictions_have_the_samples_shape(shape: tuple[int, ...], outputs: int, expected: tuple[int, ...]) -> None:
    network = MLPDenoiser(shape, outputs=outputs, width=8, layers=1)
    found = network(torch.randn(3, *shape), torch.rand(3))
    assert found.shape == (3, *expected)
    # It begins with a prediction of nothing.
    assert not found.any()


@pytest.mark.parametrize("condition", [None, classes(3), Captions(["a", "b"], 4)])
def test_every_parameter_matters_and_time_and_condition_do(condition: Condition | None) -> None:
    network = awake(MLPDenoiser((6, 2), condition, width=8, layers=2))
    x_t, t = torch.randn(1, 6, 2).expand(4, -1, -1), torch.full((4,), 0.3)
    rows = None
    if condition is not None:
        rows = torch.cat([condition.parse(text) for text in (("0", "1", "2") if condition.key == "label" else "aab")])
        rows = torch.cat([rows, condition.null(1)])
        given = network(x_t, t, rows)
        torch.testing.assert_close(network(x_t, t)[3], given[3])
        assert not torch.allclose(given[0], given[2], atol=1e-5)
        assert not torch.allclose(given[0], given[3], atol=1e-5)
    assert not torch.allclose(network(x_t, t, rows), network(x_t, t / 2, rows), atol=1e-5)
    if rows is not None and condition is not None and condition.key == "prompt":
        rows = condition.encode(["a b a b", "b", "a a", ""])  # type: ignore[attr-defined]
    network(torch.randn(4, 6, 2), torch.rand(4), rows).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_an_image_is_no_condition_of_points() -> None:
    with pytest.raises(ValueError, match="source images condition images"):
        MLPDenoiser((6, 2), SourceImages((1, 4, 4)))
    with pytest.raises(ValueError, match="a vector, not an image"):
        MLPDenoiser((1, 4, 4), SourceImages((1, 4, 4)))
