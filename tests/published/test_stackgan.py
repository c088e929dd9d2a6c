"""StackGAN-Pytorch's generators: the official names and sizes, and the same images as its formulas give."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import batch_norm, conv2d, interpolate, linear

from genbench.commands.assembly import build
from genbench.config import check
from genbench.errors import UserError
from genbench.methods.adversarial.stackgan import StackGAN
from genbench.methods.adversarial.stackgan_refiner import StackGANRefiner
from genbench.parts import freeze
from genbench.published import sources
from genbench.published.source import Archive, Published
from genbench.randomness import Noise
from tests.published.test_adversarial_sources import Shapes, conv, empty, filled, norm, parameters


def augmentation(text: int, dim: int) -> Shapes:
    yield from (("ca_net.fc.weight", (2 * dim, text)), ("ca_net.fc.bias", (2 * dim,)))


def doublings(width: int, count: int) -> Shapes:
    for number in range(1, count + 1):
        yield from conv(f"upsample{number}.1", width // 2, width, 3)
        yield from norm(f"upsample{number}.2", width // 2)
        width //= 2
    yield from conv("img.0", 3, width, 3)


def stage_one(gf: int = 192, text: int = 1024, dim: int = 128, z: int = 100) -> Shapes:
    yield from augmentation(text, dim)
    yield "fc.0.weight", (8 * gf * 16, z + dim)
    yield from norm("fc.1", 8 * gf * 16)
    yield from doublings(8 * gf, 4)


def stage_two(gf: int = 192, blocks: int = 2, text: int = 1024, dim: int = 128) -> Shapes:
    yield from augmentation(text, dim)
    yield from conv("encoder.0", gf, 3, 3)
    for index, width in ((2, gf), (5, 2 * gf)):
        yield from conv(f"encoder.{index}", 2 * width, width, 4)
        yield from norm(f"encoder.{index + 1}", 2 * width)
    yield from conv("hr_joint.0", 4 * gf, 4 * gf + dim, 3)
    yield from norm("hr_joint.1", 4 * gf)
    for block in range(blocks):
        for index in (0, 3):
            yield from conv(f"residual.{block}.block.{index}", 4 * gf, 4 * gf, 3)
            yield from norm(f"residual.{block}.block.{index + 1}", 4 * gf)
    yield from doublings(4 * gf, 4)


def within(shapes: Shapes) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from ((f"STAGE1_G.{name}", shape) for name, shape in shapes)


def convert(source: str, weights: Any) -> Published:
    archive = Archive(Path("netG_epoch_90.pth"), weights)
    assert sources.make(source).recognises(archive)
    return sources.make(source).convert(archive)


def method_of(published: Published, **parts: Any) -> Any:
    words = [f"{key}={value}" for key, value in published.settings.items()]
    config = check("train", [f"experiment={published.experiment}", "data.root=none", *words])
    shape = (3, config.data.size, config.data.size)
    with next(iter(published.weights["generator"].values())).device:
        method: Any = build(config.method, "method", image_shape=shape, condition=published.condition, **parts)
    method.generator.load_state_dict(published.weights["generator"], assign=True)
    return method.eval()


def test_both_stages_have_the_published_sizes_and_fit() -> None:
    both = empty(stage_two()) | empty(within(stage_one()))
    assert parameters(empty(stage_one())) == 20_020_832
    assert parameters(empty(stage_two())) == 37_130_480
    known = [name for name in sources.names() if sources.make(name).recognises(Archive(Path("netG.pth"), both))]
    # Whoever imports it says which.
    assert known == ["stackgan", "stackgan_refiner"]
    first, second = convert("stackgan", both), convert("stackgan_refiner", both)
    assert (first.experiment, second.experiment) == ("stackgan_coco", "stackgan_coco256")
    one = method_of(first)
    assert one.medium.shape == (3, 64, 64)
    freeze(one)
    two = method_of(second, stage_one=one)
    assert two.medium.shape == (3, 256, 256)
    counts = [sum(each.numel() for each in method.generator.parameters()) for method in (one, two)]
    assert counts == [20_020_832, 37_130_480]
    alone = Archive(Path("netG.pth"), empty(stage_one()))
    assert [name for name in sources.names() if sources.make(name).recognises(alone)] == ["stackgan"]


class Formulas:
    """That code's generators, in evaluation mode."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self.weights = weights

    def norm(self, x: Tensor, name: str) -> Tensor:
        parts = [self.weights[f"{name}.{each}"] for each in ("running_mean", "running_var", "weight", "bias")]
        return batch_norm(x, *parts)

    def conv(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        return conv2d(x, self.weights[f"{name}.weight"], stride=stride, padding=1)

    def said(self, text: Tensor, eps: Tensor) -> Tensor:
        both = linear(text, self.weights["ca_net.fc.weight"], self.weights["ca_net.fc.bias"]).relu()
        mu, log_variance = both.chunk(2, 1)
        return mu + (0.5 * log_variance).exp() * eps

    def doubled(self, x: Tensor) -> Tensor:
        for number in range(1, 5):
            x = interpolate(x, scale_factor=2, mode="nearest")
            x = self.norm(self.conv(x, f"upsample{number}.1"), f"upsample{number}.2").relu()
        return self.conv(x, "img.0").tanh()

    def first(self, z: Tensor, eps: Tensor, text: Tensor) -> Tensor:
        x = linear(torch.cat([z, self.said(text, eps)], 1), self.weights["fc.0.weight"])
        x = self.norm(x, "fc.1").relu()
        return self.doubled(x.view(len(z), -1, 4, 4))

    def second(self, small: Tensor, eps: Tensor, text: Tensor) -> Tensor:
        x = self.conv(small, "encoder.0").relu()
        for index in (2, 5):
            x = self.norm(self.conv(x, f"encoder.{index}", 2), f"encoder.{index + 1}").relu()
        c = self.said(text, eps)[:, :, None, None].expand(-1, -1, 16, 16)
        x = self.norm(self.conv(torch.cat([x, c], 1), "hr_joint.0"), "hr_joint.1").relu()
        for block in range(2):
            name = f"residual.{block}.block"
            hidden = self.norm(self.conv(x, f"{name}.0"), f"{name}.1").relu()
            x = (self.norm(self.conv(hidden, f"{name}.3"), f"{name}.4") + x).relu()
        return self.doubled(x)


def positive(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights whose variances are such."""
    return {name: each.abs() + 0.5 if name.endswith("running_var") else each for name, each in weights.items()}


def test_both_stages_draw_what_they_draw_there() -> None:
    sizes = {"text": 6, "dim": 8}
    first, second = positive(filled(stage_one(4, **sizes, z=5))), positive(filled(stage_two(4, **sizes)))
    both = second | {f"STAGE1_G.{name}": each for name, each in first.items()}
    one = method_of(convert("stackgan", both))
    freeze(one)
    two = method_of(convert("stackgan_refiner", both), stage_one=one)
    torch.manual_seed(0)
    text, z, eps, again = torch.randn(2, 6), torch.randn(2, 5), torch.randn(2, 8), torch.randn(2, 8)
    with torch.no_grad():
        small = one.generator(torch.cat([z, eps], 1), text).images
        expected = Formulas(first).first(z, eps, text)
        torch.testing.assert_close(small, expected, atol=1e-5, rtol=1e-5)
        large = two.generator(small, again, text).images
        torch.testing.assert_close(large, Formulas(second).second(expected, again, text), atol=1e-5, rtol=1e-5)
    assert expected.std() > 0.01
    assert isinstance(one, StackGAN)
    assert isinstance(two, StackGANRefiner)
    assert two.sample(2, text, noise=Noise(0)).shape == (2, 3, 256, 256)


@pytest.mark.parametrize(("source", "shapes"), [("stackgan", stage_one(2)), ("stackgan_refiner", stage_two(2))])
def test_what_does_not_fit_is_one_message(source: str, shapes: Shapes) -> None:
    weights, make = filled(shapes), sources.make(source)
    with pytest.raises(UserError, match="has no counterpart"):
        make.convert(Archive(Path("netG.pth"), weights | {"extra.weight": torch.zeros(2)}))
    for content in ({}, {"epoch": 3}, {"weight": torch.zeros(2)}, None):
        assert not make.recognises(Archive(Path("netG.pth"), content))
