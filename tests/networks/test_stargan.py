"""StarGAN's networks: the counts of the authors' code, shapes, and what instance norm does."""

import pytest
import torch
from torch import nn

from genbench.networks.stargan import StarGANDiscriminator, StarGANGenerator


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("domains", "generator", "discriminator"), [(5, 8_430_528, 44_762_048), (8, 8_439_936, 44_786_624)]
)
def test_the_authors_counts_at_128_pixels(domains: int, generator: int, discriminator: int) -> None:
    with torch.device("meta"):
        assert count(StarGANGenerator((3, 128, 128), domains)) == generator
        assert count(StarGANDiscriminator((3, 128, 128), domains)) == discriminator


def test_one_output_for_each_patch_and_one_logit_for_each_domain() -> None:
    outputs, logits = StarGANDiscriminator((3, 32, 32), 5, width=4, layers=3)(torch.rand(2, 3, 32, 32))
    assert outputs.shape == (2, 1, 4, 4)
    assert logits.shape == (2, 5)


def test_a_translation_is_the_same_in_training_and_evaluation_and_depends_on_its_image_alone() -> None:
    torch.manual_seed(0)
    network = StarGANGenerator((3, 16, 16), 4, width=4, blocks=1)
    images, domains = torch.rand(3, 3, 16, 16) * 2 - 1, torch.eye(4)[:3]
    trained = network.train()(images, domains)
    torch.testing.assert_close(network.eval()(images, domains), trained)
    torch.testing.assert_close(network(images[:1], domains[:1]), trained[:1])
    assert trained.abs().max() <= 1
    assert not any("running" in name for name in network.state_dict())
    # The target domain shows, though a constant channel would vanish in instance norm but for the zeros around it.
    assert not torch.allclose(network(images, domains.roll(1, 1)), trained, atol=1e-4)


def test_sides_that_do_not_do() -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        StarGANGenerator((3, 30, 30), 2)
    with pytest.raises(ValueError, match="at least 64 pixels a side, not 32"):
        StarGANDiscriminator((3, 32, 32), 2)
