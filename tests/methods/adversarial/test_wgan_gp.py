"""The gradient penalty against closed forms, and what it forbids."""

import pytest
import torch
from torch import nn

from genbench.batch import Batch
from genbench.losses import gradient_penalty
from genbench.methods.adversarial.wgan_gp import WGANGP
from genbench.networks.dcgan import DCGANDiscriminator
from genbench.networks.doubling_resnet import DoublingResNetCritic, DoublingResNetGenerator
from genbench.networks.resnet import ResNetCritic, ResNetGenerator


@pytest.mark.parametrize("slope", [0.0, 1.0, 3.0])
def test_the_penalty_is_the_slopes_squared_distance_from_one(slope: float) -> None:
    direction = torch.randn(3 * 4 * 4, generator=torch.Generator().manual_seed(0))
    direction = slope * direction / direction.norm()
    real, fake = torch.randn(5, 3, 4, 4), torch.randn(5, 3, 4, 4)
    penalty = gradient_penalty(lambda x: x.flatten(1) @ direction, real, fake, torch.rand(5))
    assert float(penalty) == pytest.approx((slope - 1) ** 2, abs=1e-5)


def test_it_is_taken_between_the_images_and_can_be_minimised() -> None:
    """Of f(x) = a |x|^2 / 2 the slope is a |x|, so the penalty at mix m is (a |m x + (1 - m) y| - 1)^2."""
    a = torch.tensor(0.7, requires_grad=True)
    real, fake = torch.randn(4, 2, 3, 3), torch.randn(4, 2, 3, 3)
    mix = torch.tensor([0.0, 0.25, 0.5, 1.0])
    share = mix.view(-1, 1, 1, 1)
    norms = (share * real + (1 - share) * fake).flatten(1).norm(dim=1)
    penalty = gradient_penalty(lambda x: a * x.flatten(1).square().sum(1) / 2, real, fake, mix)
    torch.testing.assert_close(penalty, (a * norms - 1).square().mean())
    penalty.backward()
    torch.testing.assert_close(a.grad, (2 * (0.7 * norms - 1) * norms).mean())


def method(critic: type[nn.Module] = ResNetCritic, **settings: object) -> WGANGP:
    return WGANGP(
        lambda latent_dim, image_shape: ResNetGenerator(latent_dim, image_shape, width=8),
        lambda image_shape: critic(image_shape, width=8),  # type: ignore[call-arg]
        (1, 16, 16),
        latent_dim=4,
        generator_optimizer=torch.optim.Adam,
        discriminator_optimizer=torch.optim.Adam,
        **settings,  # type: ignore[arg-type]
    )


def test_the_critics_loss_is_the_distance_and_the_penalty() -> None:
    gan = method(penalty=7.0)
    loss, figures = gan.discriminator_loss(Batch(torch.randn(6, 1, 16, 16), None))
    torch.testing.assert_close(loss, 7 * figures["adversary/penalty"] - figures["adversary/wasserstein"])
    loss.backward()
    assert all(parameter.grad is None for parameter in gan.generator.parameters())
    assert sum(float(parameter.grad.abs().sum()) for parameter in gan.discriminator.parameters()) > 0


def test_a_critic_with_batch_norm_is_refused() -> None:
    with pytest.raises(ValueError, match="BatchNorm"):
        method(DCGANDiscriminator)
    with pytest.raises(ValueError, match="penalty"):
        method(penalty=-1.0)


@pytest.mark.parametrize("side", [8, 16, 32, 64])
def test_the_networks_fit_each_other_and_the_critic_scores_each_image_by_itself(side: int) -> None:
    generator, critic = ResNetGenerator(4, (3, side, side), width=8), ResNetCritic((3, side, side), width=8)
    images = generator(torch.randn(5, 4))
    assert images.shape == (5, 3, side, side)
    assert images.abs().max() <= 1
    torch.testing.assert_close(critic(images)[:2], critic(images[:2]))


def test_the_networks_for_cifar_have_128_channels_throughout() -> None:
    """Counted by hand from the paper's table of the generator."""
    generator, critic = ResNetGenerator(128, (3, 32, 32)), ResNetCritic((3, 32, 32))
    blocks = 3 * (2 * (128 * 128 * 9 + 128) + (128 * 128 + 128) + 2 * 256)
    ends = 128 * 2048 + 2048 + 256 + (128 * 3 * 9 + 3)
    assert sum(parameter.numel() for parameter in generator.parameters()) == blocks + ends
    for shape in [(3, 30, 30), (3, 32, 16), (3, 4, 4)]:
        with pytest.raises(ValueError, match=r"set data\.size"):
            ResNetCritic(shape)
    assert critic(torch.randn(2, 3, 32, 32)).shape == (2,)


def test_the_networks_are_as_large_as_in_the_authors_code() -> None:
    """Counted from the shapes in gan_cifar_resnet.py, unconditional, and gan_64x64.py."""
    with torch.device("meta"):
        networks = {
            1_204_483: ResNetGenerator(128, (3, 32, 32)),
            1_053_825: ResNetCritic((3, 32, 32)),
            8_540_483: DoublingResNetGenerator(128, (3, 64, 64)),
            7_491_841: DoublingResNetCritic((3, 64, 64)),
        }
    for expected, network in networks.items():
        assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_the_critic_for_64_pixels_scores_each_image_by_itself_and_can_be_penalised() -> None:
    generator, critic = DoublingResNetGenerator(4, (3, 16, 16), width=4), DoublingResNetCritic((3, 16, 16), width=4)
    images = generator(torch.randn(3, 4)).detach()
    torch.testing.assert_close(critic(images)[:2], critic(images[:2]))
    gradient_penalty(critic, images, torch.randn(3, 3, 16, 16), torch.rand(3)).backward()
    assert all(bool(parameter.grad.any()) for name, parameter in critic.named_parameters() if name.endswith("weight"))


def test_the_generators_step_may_take_more_images_than_the_critics() -> None:
    counts = []
    gan = method(generator_batch=2)
    gan.discriminator.register_forward_hook(lambda critic, inputs, scores: counts.append(len(scores)))
    batch = Batch(torch.zeros(3, 1, 16, 16), None)
    gan.discriminator_loss(batch)
    gan.generator_loss(batch)
    assert counts == [3, 3, 3, 6]
    with pytest.raises(ValueError, match="generator_batch must be at least 1, not 0"):
        method(generator_batch=0)


def test_real_images_are_dequantised_within_their_level(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    gan = method(dequantise=True)
    monkeypatch.setattr(gan, "discriminate_both", lambda x, fake, batch: seen.append(x) or (x.mean(), fake.mean()))
    levels = torch.arange(256.0)
    gan.discriminator_loss(Batch((levels / 127.5 - 1).view(1, 1, 16, 16).repeat(3, 1, 1, 1), None))
    # As the authors' code scales them: level k lies in [k, k + 1) / 128 - 1.
    noise = ((seen[0] + 1) * 128).view(3, 256) - levels
    assert noise.min() > -1e-4
    assert noise.max() < 1 + 1e-4
    assert noise.std().item() == pytest.approx(12**-0.5, rel=0.1)
