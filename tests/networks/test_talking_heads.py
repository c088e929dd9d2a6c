"""The networks of talking heads: counts, and identities of their layers."""

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, linear

from genbench.methods.averaging import AveragedNetwork
from genbench.networks.normalisation import SpectralNorm, adaptive_instance_norm, constrain_spectrally
from genbench.networks.portrait_blocks import Halving, SelfAttention
from genbench.networks.talking_heads import PortraitGenerator, ProjectionDiscriminator


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def generator() -> PortraitGenerator:
    torch.manual_seed(0)
    return PortraitGenerator((1, 16, 16), width=4, most=8, halvings=2, blocks=1, attention=4, attention_up=8).eval()


def test_counts_at_256_pixels() -> None:
    """The paper says 15 M, 38 M and 20 M; vincent-thevenin's port has 14,907,265 and 38,160,037.

    The embedder is the port's to the number. Its generator has as many blocks, but 17,158 numbers of styles in place of
    13,312: our P is 512 times 3,846 = 1,969,152 smaller, and the convolutions are 1,762,752 more.
    """
    with torch.device("meta"):
        g = PortraitGenerator((3, 256, 256), spectral_norm=False)
        d = ProjectionDiscriminator((3, 256, 256), people=7, spectral_norm=False)
    assert count(g.embedder) == 14_907_265
    assert g.drawer.numbers == 13_312
    assert count(g.drawer) == 31_137_893
    assert count(g.drawer) + count(g.projection) == 37_953_637
    # V is the embedder and one more block of 512 channels; then w_0, b and W.
    assert count(d) == 14_907_265 + 2 * (512 * 512 * 9 + 512) + 512 + 1 + 7 * 512
    assert round(count(d) / 1e6) == 20


def test_adain_with_an_images_own_moments_is_the_image() -> None:
    x = 3 * torch.randn(2, 5, 8, 8) + 1
    mean, std = x.mean((2, 3)), x.std((2, 3), correction=0)
    torch.testing.assert_close(adaptive_instance_norm(x, mean, std), x, atol=1e-4, rtol=1e-4)
    y = adaptive_instance_norm(x, torch.full((2, 5), 7.0), torch.full((2, 5), 0.5))
    torch.testing.assert_close(y.mean((2, 3)), torch.full((2, 5), 7.0), atol=1e-4, rtol=0)
    torch.testing.assert_close(y.std((2, 3), correction=0), torch.full((2, 5), 0.5), atol=1e-4, rtol=0)


def test_the_mean_of_equal_embeddings_is_one_of_them() -> None:
    network = generator()
    frame, pose = torch.randn(2, 1, 1, 16, 16), torch.randn(2, 1, 3, 16, 16)
    one = network.embed(frame, pose).detach()
    many = network.embed(frame.expand(-1, 5, -1, -1, -1), pose.expand(-1, 5, -1, -1, -1))
    torch.testing.assert_close(many, one)
    assert float((one[0] - one[1]).abs().max()) > 0


def test_a_picture_is_drawn_of_the_styles_of_an_embedding() -> None:
    network = generator()
    pose, frames, poses = torch.randn(2, 3, 16, 16), torch.randn(2, 3, 1, 16, 16), torch.randn(2, 3, 3, 16, 16)
    drawn = network(pose, frames, poses)
    assert drawn.shape == (2, 1, 16, 16)
    psi = linear(network.embed(frames, poses), network.projection.weight)
    torch.testing.assert_close(drawn, network.draw(pose, psi))
    # Each of the two is drawn by itself.
    torch.testing.assert_close(network(pose[:1], frames[:1], poses[:1]), drawn[:1], atol=1e-5, rtol=1e-4)


def test_the_discriminator_is_linear_in_what_it_knows_of_a_person() -> None:
    torch.manual_seed(0)
    network = ProjectionDiscriminator((1, 16, 16), people=3, width=4, most=8, attention=0).eval()
    nn.init.constant_(network.bias, 0.7)
    x, y = torch.randn(2, 1, 16, 16), torch.randn(2, 3, 16, 16)
    one, other = torch.randn(2, 8), torch.randn(2, 8)
    scores = [network(x, y, w)[0] for w in (one, other, 2 * one - 3 * other, torch.zeros(2, 8))]
    torch.testing.assert_close(scores[3], torch.full((2,), 0.7))
    torch.testing.assert_close(scores[2] - 0.7, 2 * (scores[0] - 0.7) - 3 * (scores[1] - 0.7), atol=1e-4, rtol=1e-4)
    people = torch.tensor([2, 0])
    assert torch.equal(network.of(people), network.people.weight[people] + network.common)
    # And scores are V(x, y)' w + b, V the features' sums.
    score, features = network(x, y, one)
    assert [each.shape[-1] for each in features] == [8, 4, 4]
    torch.testing.assert_close(score, (nn.functional.leaky_relu(features[-1].sum((2, 3)), 0.2) * one).sum(1) + 0.7)


def test_people_begin_as_different_as_can_be_between_0_and_1() -> None:
    torch.manual_seed(0)
    rows = ProjectionDiscriminator((1, 16, 16), people=50, width=4, most=8).people.weight
    assert float(rows.detach().min()) >= 0
    assert float(rows.detach().max()) <= 1
    assert float(rows.detach().std()) == pytest.approx((1 / 12) ** 0.5, rel=0.1)


def test_a_halving_block_is_what_it_says() -> None:
    torch.manual_seed(0)
    block = Halving(2, 3)
    x = torch.randn(1, 2, 8, 8)
    pooled = nn.functional.avg_pool2d
    inner = conv2d(x.relu(), block.inner.weight, block.inner.bias, padding=1).relu()
    expected = pooled(conv2d(inner, block.outer.weight, block.outer.bias, padding=1), 2)
    expected = expected + pooled(conv2d(x, block.skip.weight, block.skip.bias), 2)
    torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-4)


def test_attention_adds_nothing_at_first_and_means_over_places_then() -> None:
    layer = SelfAttention(8)
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(layer(x), x)
    nn.init.ones_(layer.gamma)
    nn.init.zeros_(layer.query.weight)
    nn.init.zeros_(layer.query.bias)  # type: ignore[arg-type]
    mean = layer.value(x).mean((2, 3), keepdim=True)
    torch.testing.assert_close(layer(x), x + mean, atol=1e-5, rtol=1e-4)


def test_a_weight_is_divided_by_its_largest_singular_value() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 5, 3)
    largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)
    constrain_spectrally(nn.Sequential(layer).eval())
    torch.testing.assert_close(torch.linalg.matrix_norm(layer.weight.flatten(1), 2), torch.ones(()), atol=0.02, rtol=0)
    assert float(largest) > 0


def test_it_holds_of_an_average_of_networks_too() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 6, bias=False))
    constrain_spectrally(network)
    average = AveragedNetwork(network, 0.9, warmup=False)
    for _ in range(30):
        with torch.no_grad():
            network[0].parametrizations.weight.original.add_(0.1 * torch.randn(6, 6))  # type: ignore[union-attr]
            network.train()(torch.zeros(1, 6))
        average.update_parameters(network)
    norm = torch.linalg.matrix_norm(average.module[0].weight, 2)  # type: ignore[index, union-attr]
    assert float(norm) == pytest.approx(1.0, abs=0.15)


def test_a_gradient_passes_through_the_division() -> None:
    norm = SpectralNorm(torch.randn(4, 3)).eval()
    weight = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    norm.double()
    for _ in range(50):
        norm._follow(weight.detach())
    assert torch.autograd.gradcheck(norm, (weight,))


@pytest.mark.parametrize("side", [4, 12])
def test_sides_that_are_no_powers_of_two_are_refused(side: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        PortraitGenerator((1, side, side), width=4, most=8)
