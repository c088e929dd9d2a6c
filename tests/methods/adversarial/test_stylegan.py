"""StyleGAN2's regularisers against closed forms, its lazy steps, truncation and mixing."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.batch import Batch
from genbench.conditions.captions import Captions
from genbench.losses import path_lengths
from genbench.methods.adversarial.adaptive_augment import AdaptiveAugment
from genbench.methods.adversarial.stylegan import StyleGAN, lazily
from genbench.networks.stylegan import StyleGANDiscriminator, StyleGANGenerator
from genbench.randomness import Noise
from tests.kinds import classes


def method(**settings: Any) -> StyleGAN:
    torch.manual_seed(0)
    adam = partial(torch.optim.Adam, lr=2e-3, betas=(0.0, 0.99))
    return StyleGAN(
        partial(StyleGANGenerator, w_dim=8, width=64, mapping_layers=2),
        partial(StyleGANDiscriminator, width=64),
        (1, 16, 16),
        latent_dim=8, generator_optimizer=adam, discriminator_optimizer=adam, **settings,
    )  # fmt: skip


def batch(count: int = 4) -> Batch:
    return Batch(torch.rand(count, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1, None)


def test_the_mean_square_of_the_path_lengths_of_a_linear_map() -> None:
    torch.manual_seed(0)
    a = torch.randn(6, 3 * 8 * 8)
    w = torch.randn(20_000, 1, 6, requires_grad=True)
    lengths = path_lengths(lambda w: (w[:, 0] @ a).unflatten(1, (3, 8, 8)), w)
    assert float(lengths.square().mean().detach()) == pytest.approx(float(a.square().sum()) / 64, rel=0.02)
    # A step twice as large for the same w is twice the length, whatever w.
    torch.manual_seed(1)
    one = path_lengths(lambda w: (w[:, 0] @ a).unflatten(1, (3, 8, 8)), w[:5])
    torch.manual_seed(1)
    twice = path_lengths(lambda w: (w[:, 0] @ (2 * a)).unflatten(1, (3, 8, 8)) + 1, 3 * w[:5])
    torch.testing.assert_close(twice, 2 * one)


def test_the_lengths_are_the_root_mean_square_over_layers() -> None:
    torch.manual_seed(0)
    a = torch.randn(6, 16)
    w = torch.randn(7, 4, 6, requires_grad=True)
    torch.manual_seed(1)
    several = path_lengths(lambda w: (w[:, 0] @ a).unflatten(1, (1, 4, 4)), w)
    torch.manual_seed(1)
    alone = path_lengths(lambda w: (w[:, 0] @ a).unflatten(1, (1, 4, 4)), w[:, :1])
    torch.testing.assert_close(several, alone / 2)


class Linear(nn.Module):
    """<a, x>."""

    def __init__(self, a: Tensor) -> None:
        super().__init__()
        self.a = nn.Parameter(a)

    def forward(self, x: Tensor, shown: Tensor | None = None) -> Tensor:
        return x.flatten(1) @ self.a


def test_r1_of_a_linear_discriminator() -> None:
    gan = method(r1=3.0, r1_every=5)
    a = torch.randn(256)
    gan.discriminator = Linear(a)
    loss, figures = gan.r1_loss(batch())
    # Gamma / 2 |a|^2, times the steps from one to the next.
    torch.testing.assert_close(loss, 5 * 3 / 2 * a.square().sum())
    torch.testing.assert_close(figures["adversary/r1"], a.square().sum())


def test_the_lazy_penalties_add_up_to_those_of_every_step() -> None:
    lazy, eager = (method(r1=2.0, r1_every=every) for every in (8, 1))
    torch.testing.assert_close(lazy.r1_loss(batch())[0], 8 * eager.r1_loss(batch())[0])
    lazy, eager = (method(path_length_every=every) for every in (4, 1))
    torch.manual_seed(2)
    one = lazy.path_length_loss(batch())[0]
    torch.manual_seed(2)
    torch.testing.assert_close(one, 4 * eager.path_length_loss(batch())[0])


@pytest.mark.parametrize("loss", ["r1_loss", "path_length_loss"])
def test_a_penalty_gives_every_parameter_a_gradient(loss: str) -> None:
    gan = method()
    getattr(gan, loss)(batch())[0].backward()
    network = gan.discriminator if loss == "r1_loss" else gan.generator
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert sum(float(parameter.grad.abs().sum()) for parameter in network.parameters() if parameter.grad is not None)


def test_path_lengths_are_of_a_smaller_batch_and_their_mean_follows() -> None:
    gan = method(path_length_decay=0.25, path_length_shrink=4)
    seen: list[Tensor] = []
    synthesise = gan.generator.synthesise
    gan.generator.synthesise = lambda w: seen.append(w) or synthesise(w)  # type: ignore[method-assign,func-returns-value]
    _, figures = gan.path_length_loss(batch(8))
    assert [len(w) for w in seen] == [2]
    torch.testing.assert_close(gan.path_mean, 0.25 * figures["adversary/path_length"])


def test_rates_and_betas_are_corrected_for_further_steps() -> None:
    make = lazily(partial(torch.optim.Adam, lr=0.0025, betas=(0.5, 0.99)), 16)
    (group,) = make([nn.Parameter(torch.zeros(1))]).param_groups
    assert group["lr"] == pytest.approx(0.0025 * 16 / 17)
    assert group["betas"] == pytest.approx((0.5 ** (16 / 17), 0.99 ** (16 / 17)))
    (group,) = lazily(partial(torch.optim.Adam, lr=0.0025), 0)([nn.Parameter(torch.zeros(1))]).param_groups
    assert group["lr"] == 0.0025


def trained_mean(gan: StyleGAN) -> StyleGAN:
    gan.mean_style.copy_(torch.randn(8))
    return gan


def test_truncation_leads_to_the_mean_image() -> None:
    gan = trained_mean(method())
    z = torch.randn(5, 8)
    mean = gan.synthesise(gan.mean_style.expand(1, gan.layers, 8)).clamp(-1, 1)
    whole = gan.decode(z)
    gan.truncation = 0.0
    torch.testing.assert_close(gan.decode(z), mean.expand(5, -1, -1, -1))
    gan.truncation = 0.5
    w = gan.styles(z)
    gan.truncation = 1.0
    torch.testing.assert_close(w, (gan.styles(z) + gan.mean_style) / 2)
    torch.testing.assert_close(gan.decode(z), whole)


def test_truncation_of_the_first_layers_alone() -> None:
    gan = trained_mean(method(truncation=0.0, truncated_layers=2))
    w = gan.styles(torch.randn(3, 8))
    assert torch.equal(w[:, :2], gan.mean_style.expand(3, 2, 8))
    gan.truncation = 1.0
    torch.manual_seed(0)
    assert not torch.allclose(w[:, 2:], gan.mean_style.expand(3, gan.layers - 2, 8), atol=1e-3)


def test_samples_are_of_the_average_and_of_the_noise_alone() -> None:
    gan = method()
    one = gan.sample(3, noise=Noise(5))
    assert torch.equal(one, gan.sample(3, noise=Noise(5)))
    assert float(one.abs().max()) <= 1
    with torch.no_grad():
        for parameter in gan.generator.parameters():
            parameter.add_(1)
    assert torch.equal(one, gan.sample(3, noise=Noise(5)))


def test_mixed_styles_are_of_two_images_and_change_over_once() -> None:
    gan = method(mixing=1.0)
    w = gan.mixed_styles(batch(64)).detach()
    changes = (w[:, 1:] != w[:, :-1]).any(2).sum(1)
    assert changes.tolist() == [1] * 64
    cuts = (w[:, 1:] != w[:, :-1]).any(2).float().argmax(1) + 1
    assert set(cuts.tolist()) == set(range(1, gan.layers))
    gan = method(mixing=0.0)
    w = gan.mixed_styles(batch(8)).detach()
    assert torch.equal(w, w[:, :1].expand_as(w))


def test_the_mean_w_follows_what_the_mapping_makes() -> None:
    gan = method(mixing=0.9)
    assert float(gan.generator.mean_style.abs().max()) == 0
    for _ in range(600):
        gan.mixed_styles(batch(32))
    with torch.no_grad():
        mean = gan.generator.mapping(torch.randn(20_000, 8)).mean(0)
    torch.testing.assert_close(gan.generator.mean_style, (1 - 0.995**600) * mean, atol=0.05, rtol=0.1)


def test_it_is_conditioned_on_classes() -> None:
    gan = method(condition=classes(3), conditional=True)
    images = gan.decode(torch.randn(1, 8).expand(3, -1), torch.tensor([0, 1, 2]))
    assert not torch.allclose(images[0], images[1], atol=1e-4)
    with pytest.raises(ValueError, match="conditions"):
        gan.sample(2, noise=Noise(0))
    with pytest.raises(ValueError, match="classes or attributes"):
        method(condition=Captions(["a"], 3), conditional=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mixing": 2.0}, "mixing must be in"),
        ({"r1": -1.0}, "r1 must be at least 0"),
        ({"path_length_every": 0}, "path_length_every must be at least 1"),
        ({"joint_pass": True}, "mix real and generated images"),
        ({"ema_half_life": 0}, "ema_half_life must be positive"),
        ({"truncated_layers": 7}, "truncated_layers must be from 0 to 6"),
        ({"conditional": True}, "takes data with a condition"),
        ({"adaptive": partial(AdaptiveAugment, target=1.5)}, "target must be"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        method(**settings)
