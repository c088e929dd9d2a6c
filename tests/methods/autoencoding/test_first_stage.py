"""Autoencoders of maps: the balance of their losses, when the discriminator begins, and what latents are."""

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.batch import Batch
from genbench.medium import Images
from genbench.methods.autoencoding.kl_autoencoder import KLAutoencoder
from genbench.methods.autoencoding.vqgan import VQGAN
from genbench.networks.map_autoencoder import MapAutoencoder
from genbench.networks.patchgan import PatchGAN
from genbench.randomness import Noise

SHAPE = (3, 16, 16)
NETWORK = partial(MapAutoencoder, latent_channels=4, width=8, multipliers=(1, 2), blocks=1, attention=())
X = torch.rand(4, *SHAPE, generator=torch.Generator().manual_seed(0)) * 2 - 1


def make(kind: Any = VQGAN, **settings: Any) -> Any:
    torch.manual_seed(0)
    adam = partial(torch.optim.Adam, lr=1e-3)
    defaults: dict[str, Any] = {
        "autoencoder_optimizer": adam,
        "discriminator_optimizer": adam,
        "ema_decay": 0.0,
    }
    if kind is VQGAN:
        defaults["codes"] = 7
    return kind(NETWORK, partial(PatchGAN, width=8, layers=1), SHAPE, **(defaults | settings))


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_lambda_makes_the_adversarial_gradient_as_large_as_the_distortions(scale: float) -> None:
    method = make()
    x_rec, _, _ = method.reconstruct(X)
    distortion, _ = method.distortion(X, x_rec)
    adversarial = scale * method.objective.generator(method.discriminator(x_rec))
    balance = method.balance(distortion, adversarial)
    weight = method.autoencoder.last_weight
    sizes = [
        torch.autograd.grad(loss, weight, retain_graph=True)[0].norm().item()
        for loss in (distortion, balance * adversarial)
    ]
    assert sizes[1] == pytest.approx(sizes[0], rel=1e-2)
    assert not balance.requires_grad


def test_the_loss_is_the_sum_of_its_terms() -> None:
    method = make(codebook_weight=3.0, discriminator_weight=0.5)
    kept: list[Tensor] = []
    loss, figures = method.autoencoder_loss(X, kept, True)
    x_rec, codebook, _ = method.reconstruct(X)
    assert torch.equal(kept[0], x_rec.detach())
    distortion = (X - x_rec).abs().mean()
    adversarial = -method.discriminator(x_rec).mean()
    expected = distortion + codebook + 0.5 * figures["adversary/lambda"] * adversarial
    torch.testing.assert_close(loss, expected)
    assert codebook.item() == pytest.approx(3 * figures["loss/codebook"].item())
    alone, figures = method.autoencoder_loss(X, [], False)
    torch.testing.assert_close(alone, distortion + codebook)
    assert "adversary/lambda" not in figures


def test_the_discriminators_loss_is_half_the_hinge() -> None:
    method = make()
    real, fake = method.discriminator(X), method.discriminator(-X)
    expected = 0.5 * ((1 - real).clamp_min(0).mean() + (1 + fake).clamp_min(0).mean())
    torch.testing.assert_close(method.discriminator_loss(X, -X)[0], expected)


def test_without_its_weight_there_is_no_discriminator() -> None:
    method = make(discriminator_weight=0.0)
    assert not any("discriminator" in name for name in method.state_dict())


def test_samples_are_reconstructions_of_the_images() -> None:
    method = make()
    assert method.condition_of(Batch(X, None)) is X
    found = method.sample(4, X, noise=Noise(0))
    codes = method.encode_codes(X)
    assert codes.shape == (4, 8, 8)
    assert codes.dtype == torch.int64
    torch.testing.assert_close(found, method.decode_codes(codes))
    torch.testing.assert_close(found, method.decode(method.encode(X)))
    assert method.encode(X).shape == (4, *method.latent_shape)
    assert found.abs().max() <= 1


def test_latents_of_an_even_prior_have_no_divergence_and_a_draw_has_the_posteriors_moments() -> None:
    method = make(KLAutoencoder)
    with torch.no_grad():
        for layer in (method.autoencoder.to_latent, method.average.module.to_latent):
            layer.weight.zero_()
            layer.bias.zero_()
    _, term, figures = method.reconstruct(X)
    assert term.item() == 0
    assert figures["loss/kl"].item() == 0
    assert torch.equal(method.encode(X), torch.zeros(4, 4, 8, 8))
    torch.manual_seed(0)
    drawn = method.encode(X, draw=torch.randn_like)
    assert drawn.mean().item() == pytest.approx(0, abs=0.1)
    assert drawn.std().item() == pytest.approx(1, abs=0.1)


def test_the_divergence_is_that_of_a_gaussian_summed_over_latents() -> None:
    method = make(KLAutoencoder, kl_weight=2.0)
    with torch.no_grad():
        method.autoencoder.to_latent.weight.zero_()
        method.autoencoder.to_latent.bias.copy_(torch.tensor([1.0] * 4 + [math.log(4)] * 4))
    _, term, _ = method.reconstruct(X)
    # KL(N(1, 4) || N(0, 1)) = (4 + 1 - 1 - ln 4) / 2, of 256 latents.
    assert term.item() == pytest.approx(2 * 256 * (4 - math.log(4)) / 2, rel=1e-5)


def test_distances_are_summed_over_pixels_beside_the_divergence() -> None:
    method = make(KLAutoencoder, kl_weight=0.0)
    torch.manual_seed(1)
    loss, figures = method.autoencoder_loss(X, [], False)
    assert loss.item() == pytest.approx(3 * 16 * 16 * figures["loss/distortion"].item(), rel=1e-5)


class Brightness(nn.Module):
    """Embed an image by its mean, in a direction of the plane."""

    is_part = True
    embedding_dim = 2

    def __init__(self, shape: tuple[int, int, int] = SHAPE) -> None:
        super().__init__()
        self.medium = Images(shape)

    def embed_images(self, x: Tensor) -> Tensor:
        angle = x.flatten(1).mean(1)
        return 3 * torch.stack([angle.cos(), angle.sin()], dim=1)


def test_images_are_compared_by_the_embedding_of_a_part() -> None:
    method = make(perceptual="part", perceptual_weight=2.0, perceptual_part=Brightness())
    one, other = torch.zeros(2, *SHAPE), torch.full((2, *SHAPE), 0.5)
    distortion, terms = method.distortion(one, other)
    # The squared distance of directions that are 0.5 apart.
    expected = 2 - 2 * math.cos(0.5)
    assert terms["loss/perceptual"].item() == pytest.approx(expected, rel=1e-5)
    assert distortion.item() == pytest.approx(0.5 + 2 * expected, rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"perceptual": "vgg"}, "perceptual must be none or lpips or part"),
        ({"perceptual": "part"}, "parts.perceptual_part=RUN"),
        ({"perceptual_part": Brightness()}, "go together"),
        ({"perceptual": "part", "perceptual_part": Brightness((3, 9, 9))}, r"of shape \(3, 9, 9\), and the data has"),
        ({"discriminator_start": -1}, "discriminator_start=-1"),
        ({"codebook_weight": 0.0}, "codebook_weight must be positive"),
        ({"codes": 0}, "codes must be at least 1"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**settings)
