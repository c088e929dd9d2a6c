"""The conditional GAN: the class reaches both players, and samples are of the class that was asked for."""

import pytest
import torch

from genbench.methods.cgan import ConditionalGAN
from genbench.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from genbench.randomness import Noise


def make_gan(**settings: object) -> ConditionalGAN:
    torch.manual_seed(0)
    return ConditionalGAN(
        lambda latent_dim, image_shape: DCGANGenerator(latent_dim, image_shape, width=4),
        lambda image_shape: DCGANDiscriminator(image_shape, width=4),
        (1, 16, 16),
        **{"num_classes": 5, "latent_dim": 6, "embedding_dim": 3, **settings},  # type: ignore[arg-type]
        generator_optimizer=torch.optim.Adam,
        discriminator_optimizer=torch.optim.Adam,
    )


def test_gradients_reach_both_embeddings() -> None:
    gan = make_gan()
    batch = torch.randn(8, 1, 16, 16), torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])
    gan.discriminator_loss(batch)[0].backward()
    rows = gan.discriminator.embedding.weight.grad.abs().sum(1)  # type: ignore[union-attr]
    assert (rows[:4] > 0).all()
    assert rows[4] == 0
    assert gan.generator.embedding.weight.grad is None  # type: ignore[union-attr]
    gan.generator_loss(batch)[0].backward()
    assert (gan.generator.embedding.weight.grad.abs().sum(1)[:4] > 0).all()  # type: ignore[union-attr]


def test_a_sample_depends_on_its_class_and_its_noise() -> None:
    gan = make_gan().eval()
    ones, twos = torch.full((4,), 1), torch.full((4,), 2)
    drawn = [gan.sample(4, labels, noise=Noise(0)) for labels in (ones, ones, twos)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert drawn[0].shape == (4, 1, 16, 16)


def test_conditions_that_do_not_do() -> None:
    gan = make_gan()
    with pytest.raises(ValueError, match="must be told"):
        gan.sample(2, noise=Noise(0))
    for labels in (torch.tensor([0, 5]), torch.tensor([-1, 0]), torch.tensor([0])):
        with pytest.raises(ValueError, match="2 classes from 0 to 4"):
            gan.sample(2, labels, noise=Noise(0))
    with pytest.raises(ValueError, match="data with classes"):
        make_gan(num_classes=None)
    with pytest.raises(ValueError, match="embedding_dim"):
        make_gan(embedding_dim=0)
