"""Inpainting by partial convolutions: each term of the loss, what is kept, and frozen statistics."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.batch import Batch
from genbench.methods.completing.partial_convolution import PartialConvolution, products, total_variation
from genbench.networks.partial_convolution import PartialUNet
from genbench.random_masks import random_masks
from genbench.randomness import Noise


def make(generator: Any = None, **settings: Any) -> PartialConvolution:
    torch.manual_seed(0)
    return PartialConvolution(
        generator or partial(PartialUNet, width=4, levels=2), (3, 16, 16), optimizer=torch.optim.Adam, **settings
    )


class Constant(nn.Module):
    """Draws one colour everywhere."""

    def __init__(self, image_shape: Any) -> None:
        super().__init__()
        self.colour = nn.Parameter(torch.tensor(0.3))

    def forward(self, known: Tensor, mask: Tensor) -> Tensor:
        return self.colour.expand_as(known)


def images() -> Tensor:
    return torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_the_loss_is_the_papers() -> None:
    method, x = make(Constant), images()
    torch.manual_seed(5)
    loss, figures = method.loss(Batch(x, None))
    torch.manual_seed(5)
    mask = random_masks(3, 16, 16, all_hidden=0.0)
    error = (0.3 - x).abs()
    kept = mask * x + (1 - mask) * 0.3
    down, across = (kept[:, :, 1:] - kept[:, :, :-1]).abs().mean(), (kept[..., 1:] - kept[..., :-1]).abs().mean()
    expected = {
        "valid": (mask * error).mean(),
        "hole": 6 * ((1 - mask) * error).mean(),
        "variation": 0.1 * (down + across),
    }
    assert figures.keys() == {f"loss/{name}" for name in expected}
    for name, value in expected.items():
        torch.testing.assert_close(figures[f"loss/{name}"], value)
    torch.testing.assert_close(loss, sum(expected.values(), torch.zeros(())))


class Halved:
    """Maps in the place of VGG's: the image, and half of it."""

    def maps(self, x: Tensor) -> list[Tensor]:
        return [x, x / 2, x / 4, x / 8]


def test_features_are_compared_of_the_result_and_of_what_is_kept() -> None:
    method, x = make(Constant, features="vgg"), images()
    method._vgg.append(Halved())  # type: ignore[arg-type]
    out, kept = torch.full_like(x, 0.3), (x + 0.3) / 2
    terms = method._by_features(out, kept, x)
    pooled = [nn.functional.max_pool2d(each, 2) for each in (out, kept, x)]
    scales = (1.0, 0.5, 0.25)
    perceptual = sum(s * (one - pooled[2]).abs().mean() for one in pooled[:2] for s in scales)
    torch.testing.assert_close(terms["perceptual"], 0.05 * perceptual)
    grams = [torch.einsum("bchw,bdhw->bcd", one, one) / (3 * 8 * 8) for one in pooled]
    style = sum(s**2 * (one - grams[2]).abs().mean() for one in grams[:2] for s in scales)
    torch.testing.assert_close(terms["style"], 120 * style)
    torch.testing.assert_close(products(pooled[0]), grams[0])


def test_total_variation_is_of_neighbours() -> None:
    steps = torch.arange(4.0).view(1, 1, 1, 4).expand(1, 1, 3, 4)
    assert total_variation(steps) == 1
    assert total_variation(torch.ones(1, 3, 5, 5)) == 0


def test_known_pixels_are_kept_exactly_and_hidden_ones_not_seen() -> None:
    method, known = make().eval(), images()
    mask = torch.ones(16, 16)
    mask[4:11, 5:12] = 0
    hole = mask == 0
    filled = method.inpaint(known, mask, noise=Noise(0))
    assert torch.equal(filled[..., ~hole], known[..., ~hole])
    assert torch.equal(method.inpaint(torch.where(hole, -3 * known, known), mask, noise=Noise(0)), filled)
    assert not torch.equal(method.inpaint(-known, mask, noise=Noise(0))[..., hole], filled[..., hole])
    # Of nothing known it is grey all over.
    assert (method.inpaint(known, torch.zeros(16, 16), noise=Noise(0)) == 0).all()
    rows = method.condition_of(Batch(known, None))
    drawn = method.sample(3, rows, noise=Noise(0))
    assert torch.equal(drawn * rows[:, -1:], rows[:, :-1])


def test_frozen_statistics_stay_as_they_are() -> None:
    for freezes in (False, True):
        method = make(freeze_norm=freezes)
        method.train()
        before = {name: value.clone() for name, value in method.generator.named_buffers()}
        method.loss(Batch(images(), None))
        changed = {
            name.split(".")[0] for name, value in method.generator.named_buffers() if not value.equal(before[name])
        }
        assert changed == ({"decoder_norms"} if freezes else {"decoder_norms", "encoder_norms"})


def test_what_does_not_do() -> None:
    for settings, message in (
        ({"masks": "left"}, "masks"),
        ({"features": "alex"}, "features"),
        ({"hole_weight": -1.0}, "hole_weight"),
    ):
        with pytest.raises(ValueError, match=message):
            make(**settings)
