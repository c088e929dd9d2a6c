"""The conditional GAN: the class reaches both players, and samples are of the class that was asked for."""

import pytest
import torch

from genbench.batch import Batch
from genbench.methods.adversarial.cgan import ConditionalGAN, ProjectionDiscriminator
from genbench.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from genbench.randomness import Noise
from tests.kinds import classes


def make_gan(**settings: object) -> ConditionalGAN:
    torch.manual_seed(0)
    return ConditionalGAN(
        lambda latent_dim, image_shape: DCGANGenerator(latent_dim, image_shape, width=4),
        lambda image_shape: DCGANDiscriminator(image_shape, width=4),
        (1, 16, 16),
        **{"condition": classes(5), "latent_dim": 6, "embedding_dim": 3, **settings},  # type: ignore[arg-type]
        generator_optimizer=torch.optim.Adam,
        discriminator_optimizer=torch.optim.Adam,
    )


@pytest.mark.parametrize("joining", ["concatenation", "projection"])
def test_gradients_reach_both_embeddings(joining: str) -> None:
    gan = make_gan(joining=joining)
    batch = Batch(torch.randn(8, 1, 16, 16), torch.tensor([0, 1, 2, 3, 0, 1, 2, 3]))
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


def test_projection_adds_the_inner_product_of_class_and_features() -> None:
    discriminator = make_gan(joining="projection").discriminator.eval()
    x, y = torch.randn(3, 1, 16, 16), torch.tensor([4, 0, 4])
    plain = discriminator.network(x)
    features = discriminator.network.features(x).flatten(1)
    weights = discriminator.embedding.weight[y]
    torch.testing.assert_close(discriminator(x, y), plain + torch.einsum("nd,nd->n", weights, features))
    with pytest.raises(ValueError, match="features and to_logit"):
        ProjectionDiscriminator(lambda image_shape: torch.nn.Flatten(), (1, 4, 4), 3)


def test_at_first_the_noise_leads_and_not_the_class() -> None:
    """With embeddings as large as z the generator settles on one image a class."""
    gan = ConditionalGAN(
        lambda latent_dim, image_shape: DCGANGenerator(latent_dim, image_shape, width=8),
        lambda image_shape: DCGANDiscriminator(image_shape, width=4),
        (1, 16, 16),
        classes(10),
        generator_optimizer=torch.optim.Adam,
        discriminator_optimizer=torch.optim.Adam,
    )
    with torch.no_grad():
        images = gan.generator(torch.randn(500, 100), torch.arange(500) % 10).view(50, 10, -1)
    within, between = images.var(0).mean(), images.mean(0).var(0).mean()
    assert between - within / 50 < 0.1 * within


def test_conditions_that_do_not_do() -> None:
    gan = make_gan()
    with pytest.raises(ValueError, match="2 samples take as many conditions"):
        gan.sample(2, noise=Noise(0))
    for labels, message in (
        (torch.tensor([0, 5]), "classes from 0 to 4"),
        (torch.tensor([-1, 0]), "classes from 0 to 4"),
        (torch.tensor([0]), "2 samples take as many classes, not 1"),
    ):
        with pytest.raises(ValueError, match=message):
            gan.sample(2, labels, noise=Noise(0))
    with pytest.raises(ValueError, match="data with classes"):
        make_gan(condition=None)
    with pytest.raises(ValueError, match="embedding_dim"):
        make_gan(embedding_dim=0)
    with pytest.raises(ValueError, match="joining"):
        make_gan(joining="addition")
