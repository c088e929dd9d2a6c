"""Shapes, ranges and parameter counts of the GAN's networks."""

from itertools import pairwise

import pytest
import torch

from genbench.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from genbench.networks.mlp import MLPDiscriminator, MLPGenerator


@pytest.mark.parametrize("side", [8, 10, 14, 16, 28, 32, 48, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_dcgan_makes_and_scores_images_of_any_even_side(side: int, channels: int) -> None:
    shape = (channels, side, side)
    images = DCGANGenerator(10, shape, width=4)(torch.randn(2, 10))
    assert images.shape == (2, *shape)
    assert images.abs().max() <= 1
    assert DCGANDiscriminator(shape, width=4)(images).shape == (2,)


def test_dcgan_at_64_pixels_is_the_papers() -> None:
    # Figure 1 of the paper: 100 -> 1024 x 4 x 4 -> 512 -> 256 -> 128 -> 3 channels; kernels of 4 x 4, two numbers a
    # BatchNorm channel, a bias on the image alone.
    channels = [1024, 512, 256, 128]
    expected = 100 * 1024 * 16 + sum(16 * a * b for a, b in pairwise(channels))
    expected += 2 * sum(channels) + 128 * 3 * 16 + 3
    assert sum(p.numel() for p in DCGANGenerator(100, (3, 64, 64), width=128).parameters()) == expected


@pytest.mark.parametrize("shape", [(1, 7, 7), (1, 4, 4), (1, 29, 29), (1, 32, 16)])
def test_dcgan_refuses_sides_that_it_cannot_make(shape: tuple[int, int, int]) -> None:
    for network in (lambda: DCGANGenerator(10, shape), lambda: DCGANDiscriminator(shape)):
        with pytest.raises(ValueError, match=f"not {shape[1]} x {shape[2]}"):
            network()


@pytest.mark.parametrize("hidden", [[], [5], [7, 5, 3]])
def test_mlp_has_the_layers_of_its_settings(hidden: list[int]) -> None:
    shape = (3, 6, 5)
    images = MLPGenerator(4, shape, hidden)(torch.randn(2, 4))
    assert images.shape == (2, *shape)
    assert images.abs().max() <= 1
    discriminator = MLPDiscriminator(shape, hidden)
    assert discriminator(images).shape == (2,)
    widths = [90, *hidden, 1]
    expected = sum((a + 1) * b for a, b in pairwise(widths))
    assert sum(p.numel() for p in discriminator.parameters()) == expected
