"""StarGAN v2's networks: the counts of the authors' code, AdaIN, and heads of domains."""

import pytest
import torch
from torch import nn
from torch.nn.functional import instance_norm

from genbench.networks.stargan_v2 import (
    AdaIN,
    StarGANv2Discriminator,
    StarGANv2Generator,
    StarGANv2Mapping,
    StarGANv2StyleEncoder,
    StyledBlock,
    of_domain,
)

SHAPE = (3, 256, 256)
SMALL = {"width": 256, "most": 16}


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("domains", "shortcuts", "counts"),
    [
        (2, False, (43_467_395, 2_438_272, 20_916_928, 20_852_290)),
        (3, True, (33_892_995, 3_259_072, 20_949_760, 20_852_803)),
    ],
    ids=["CelebA-HQ", "AFHQ"],
)
def test_the_authors_counts_at_256_pixels(domains: int, shortcuts: bool, counts: tuple[int, ...]) -> None:
    with torch.device("meta"):
        found = (
            StarGANv2Generator(SHAPE, 64, shortcuts=shortcuts),
            StarGANv2Mapping(16, 64, domains),
            StarGANv2StyleEncoder(SHAPE, 64, domains),
            StarGANv2Discriminator(SHAPE, domains),
        )
    assert tuple(map(count, found)) == counts


def test_adain_with_the_identity_style_is_instance_norm() -> None:
    torch.manual_seed(0)
    layer = AdaIN(4, 5)
    x, s = torch.randn(3, 5, 6, 6), torch.randn(3, 4)
    with torch.no_grad():
        layer.affine.weight.zero_()
        layer.affine.bias.zero_()
    torch.testing.assert_close(layer(x, s), instance_norm(x))
    with torch.no_grad():
        layer.affine.bias[0], layer.affine.bias[5] = 2.0, -3.0
    # gamma is added to one, beta to the map.
    torch.testing.assert_close(layer(x, s)[:, 0], 3 * instance_norm(x)[:, 0] - 3)
    torch.testing.assert_close(layer(x, s)[:, 1:], instance_norm(x)[:, 1:])


def test_each_domain_has_its_head() -> None:
    heads = nn.ModuleList(nn.Linear(1, 1) for _ in range(3))
    with torch.no_grad():
        for number, head in enumerate(heads):
            head.weight.fill_(0.0)  # type: ignore[operator,union-attr]
            head.bias.fill_(float(number))  # type: ignore[operator,union-attr]
    domain = torch.tensor([2, 0, 1, 1])
    assert of_domain(torch.zeros(4, 1), heads, domain)[:, 0].tolist() == [2, 0, 1, 1]
    of_domain(torch.ones(2, 1), heads, torch.tensor([0, 0])).sum().backward()
    # Of a domain that no image is of the gradient is zero, not missing.
    assert [float(head.bias.grad) for head in heads] == [2, 0, 0]  # type: ignore[union-attr,arg-type]


def test_the_discriminator_has_one_output_for_each_domain() -> None:
    torch.manual_seed(0)
    network = StarGANv2Discriminator((3, 32, 32), 4, **SMALL)
    x = torch.randn(5, 3, 32, 32)
    every = torch.stack([network(x, torch.full((5,), domain)) for domain in range(4)], 1)
    domain = torch.tensor([3, 0, 2, 1, 1])
    torch.testing.assert_close(network(x, domain), every[torch.arange(5), domain])
    assert every.std(1).min() > 0


@pytest.mark.parametrize("shortcuts", [True, False])
def test_a_translation_is_the_same_in_training_and_evaluation_and_has_the_style(shortcuts: bool) -> None:
    torch.manual_seed(0)
    network = StarGANv2Generator((3, 32, 32), 8, **SMALL, shortcuts=shortcuts)
    x, s = torch.randn(3, 3, 32, 32), torch.randn(3, 8)
    trained = network.train()(x, s)
    assert trained.shape == x.shape
    torch.testing.assert_close(network.eval()(x, s), trained)
    torch.testing.assert_close(network(x[:1], s[:1]), trained[:1], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(network(x, s.roll(1, 0)), trained, atol=1e-2)


def test_shapes_of_styles() -> None:
    domain = torch.tensor([1, 0])
    assert StarGANv2Mapping(4, 8, 2, width=16)(torch.randn(2, 4), domain).shape == (2, 8)
    assert StarGANv2StyleEncoder((1, 32, 32), 8, 2, **SMALL)(torch.randn(2, 1, 32, 32), domain).shape == (2, 8)
    assert StyledBlock(4, 6, 8, doubles=True)(torch.randn(2, 4, 5, 5), torch.randn(2, 8)).shape == (2, 6, 10, 10)
    for side in (16, 48):
        with pytest.raises(ValueError, match=f"a power of 2, at least 32, not {side}"):
            StarGANv2Generator((3, side, side), 8)
