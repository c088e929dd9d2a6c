"""Denoising diffusion GAN: the steps that the players see, the losses, and what sampling leads to."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.batch import Batch
from genbench.commands.assembly import build
from genbench.conditions.base import Condition
from genbench.config import compose_config
from genbench.diffusion.processes import DiscreteProcess
from genbench.methods.denoising.ddgan import DDGAN
from genbench.methods.learning_rates import Cosine
from genbench.networks.timed_encoder import TimedEncoder, deviation_in_groups
from genbench.networks.unet import UNet
from genbench.randomness import Noise
from tests.kinds import classes

SHAPE = (1, 8, 8)
X_0 = 0.4


class Constant(nn.Module):
    """Guess one image, whatever it sees, and a little of the latent."""

    def __init__(self, shape: Sequence[int], condition: Condition | None, latent_dim: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.tensor(X_0).atanh())

    def forward(self, x_t: Tensor, t: Tensor, y: Tensor | None, z: Tensor) -> Tensor:
        return self.bias + 0 * z.sum(1).view(-1, 1, 1, 1) + 0 * x_t


class Brightness(nn.Module):
    """Discriminate by how bright x_{t-1} is."""

    def __init__(self, shape: Sequence[int], condition: Condition | None) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        return self.gain * x[:, :1].flatten(1).sum(1, keepdim=True)


def make(generator: Any = Constant, discriminator: Any = Brightness, **settings: Any) -> DDGAN:
    torch.manual_seed(0)
    defaults: dict[str, Any] = {
        "process": DiscreteProcess("vp", 4),
        "latent_dim": 6,
        "generator_optimizer": partial(torch.optim.Adam, lr=1e-3),
        "discriminator_optimizer": partial(torch.optim.Adam, lr=1e-3),
        "ema_decay": 0.0,
    }
    method = DDGAN(generator, discriminator, SHAPE, classes(3), **(defaults | settings))
    method.average.update_parameters(method.generator)
    return method


def test_steps_are_drawn_as_the_chain_goes() -> None:
    method, count = make(), 40_000
    x_0 = torch.full((count, 1, 1, 1), 0.7)
    t, x_s, x_t, y = method.draw_step(Batch(x_0, torch.zeros(count)))
    assert y is None
    chain = method.process
    for step in range(1, 5):
        own = (t * 4).round() == step
        assert own.sum().item() == pytest.approx(count / 4, rel=0.05)
        time, before = (torch.tensor(value / 4, dtype=torch.float64) for value in (step, step - 1))
        for x, when in ((x_s, before), (x_t, time)):
            assert x[own].mean().item() == pytest.approx(0.7 * chain.alpha(when).item(), abs=0.03)
            assert x[own].std().item() == pytest.approx(chain.sigma(when).item(), rel=0.03, abs=1e-6)
        # x_t is one step from x_{t-1}: what they share is the earlier one's variance.
        ratio = (chain.alpha(time) / chain.alpha(before)).item()
        residual = (x_t - ratio * x_s)[own]
        assert residual.var().item() == pytest.approx(chain.betas[step - 1].item(), rel=0.05)


def test_a_generator_that_is_right_steps_back_as_the_chain_does() -> None:
    """With x_0' = x_0 the fake x_{t-1} has the real one's law given x_t, also jointly with x_t."""
    method, count = make(), 40_000
    x_0 = torch.full((count, 1, 1, 1), X_0)
    t, x_s, x_t, _ = method.draw_step(Batch(x_0, None))
    fake_s = method.step_back(x_t, t, None).detach()
    for step in range(1, 5):
        own = (t * 4).round() == step
        real, fake = (torch.stack([x[own].flatten(), x_t[own].flatten()]) for x in (x_s, fake_s))
        torch.testing.assert_close(fake.mean(1), real.mean(1), atol=0.03, rtol=0)
        torch.testing.assert_close(fake.cov(), real.cov(), atol=0.03, rtol=0)


def test_losses_and_when_the_slope_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    method = make(r1=0.5, r1_every=15)
    x_0 = torch.full((16, *SHAPE), X_0)
    # The slope of the sum of 64 pixels has the square 64.
    losses = {}
    for step in (0, 1, 14, 15):
        monkeypatch.setattr(DDGAN, "step", property(lambda _, step=step: step))
        torch.manual_seed(2)
        losses[step] = method.discriminator_loss(Batch(x_0, None))[0].item()
    assert losses[0] - losses[1] == pytest.approx(0.25 * 64, rel=1e-4)
    assert losses[1] == losses[14]
    assert losses[15] == losses[0]
    torch.manual_seed(2)
    with torch.no_grad():
        t, _, x_t, _ = method.draw_step(Batch(x_0, None))
        logits = method.discriminate(method.step_back(x_t, t, None), x_t, t, None)
    torch.manual_seed(2)
    expected = nn.functional.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
    assert method.generator_loss(Batch(x_0, None))[0].item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_slope_is_taken_in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    method, seen = make(), []
    monkeypatch.setattr(DDGAN, "step", 0)
    discriminate = method.discriminate

    def watched(*arguments: Tensor) -> Tensor:
        seen.append(torch.is_autocast_enabled("cpu"))
        return discriminate(*arguments)

    monkeypatch.setattr(method, "discriminate", watched)
    with torch.autocast("cpu", torch.bfloat16):
        method.discriminator_loss(Batch(torch.full((4, *SHAPE), X_0), None))
    assert seen == [True, True, False]


def test_four_calls_lead_to_the_image_that_is_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    method, calls = make(), []
    forward = method.average.forward
    monkeypatch.setattr(method.average, "forward", lambda *words: calls.append(words[1][0].item()) or forward(*words))
    images = method.sample(10, noise=Noise(0))
    assert calls == pytest.approx([0.75, 0.5, 0.25, 0.0])
    torch.testing.assert_close(images, torch.full((10, *SHAPE), X_0))


def test_rates_fall_along_a_cosine_and_stay() -> None:
    method = make(schedule=Cosine(100, final=0.07))
    assert [method.schedule(step) for step in (0, 50, 100, 900)] == pytest.approx([1, 0.535, 0.07, 0.07])
    assert make().schedule(10_000) == 1


def test_real_networks_depend_on_time_class_and_latent() -> None:
    method = make(
        partial(UNet, width=8, multipliers=(1, 2), blocks=1, attention=(), adaptive=True),
        partial(TimedEncoder, width=8, batch_deviation=True),
        conditional=True,
    )
    for network in (method.generator, method.discriminator):
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.2)
    method.average.update_parameters(method.generator)
    x, t = torch.randn(8, *SHAPE), torch.full((8,), 0.5)
    y, z = torch.zeros(8, dtype=torch.long), torch.randn(8, 6)
    base = method.generator(x, t, y, z)
    assert base.shape == (8, *SHAPE)
    for words in ((x, t / 2, y, z), (x, t, y + 1, z), (x, t, y, -z)):
        assert not torch.allclose(method.generator(*words), base)
    logits = method.discriminate(x, x, t, y)
    assert logits.shape == (8, 1)
    for words in ((x, -x, t, y), (x, x, t / 2, y), (x, x, t, y + 1)):
        assert not torch.allclose(method.discriminate(*words), logits)
    drawn = method.sample(5, torch.tensor([0, 1, 2, 0, 1]), noise=Noise(0))
    torch.testing.assert_close(drawn, method.sample(5, torch.tensor([0, 1, 2, 0, 1]), noise=Noise(0)))
    with pytest.raises(ValueError, match="5 samples take as many conditions"):
        method.sample(5, noise=Noise(0))


def test_deviation_in_groups_is_nothing_for_one_picture() -> None:
    x = torch.randn(1, 3, 4, 4).repeat(8, 1, 1, 1)
    assert deviation_in_groups(x).max() < 1e-3
    different = torch.randn(8, 3, 4, 4)
    # Image i is grouped with i + 2, i + 4 and i + 6.
    expected = different[::2].var(0, unbiased=False).sqrt().mean()
    torch.testing.assert_close(deviation_in_groups(different)[2, 0, 0, 0], expected, rtol=1e-4, atol=1e-5)
    assert deviation_in_groups(torch.randn(7, 3, 4, 4)).shape == (7, 1, 4, 4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"latent_dim": 0}, "latent_dim"),
        ({"r1": -1.0}, "r1 must"),
        ({"r1_every": 0}, "r1_every"),
    ],
)
def test_settings_that_do_not_do(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**settings)


def test_the_authors_networks_are_given_the_step_from_0() -> None:
    narrow = ["generator.width=8", "generator.latent_width=8", "discriminator.width=8"]
    config = compose_config("train", ["experiment=ddgan_cifar10", *(f"network.{line}" for line in narrow)])
    shape, seen = (3, 32, 32), []
    method = build(config.method, "method", image_shape=shape, condition=None)
    for network in (method.generator, method.discriminator):
        network.embed_time[0].register_forward_pre_hook(lambda _, given: seen.append(1000 * given[0]))
    t = torch.arange(1, 5).double() / 4
    x_t = torch.randn(4, *shape)
    method.discriminate(method.step_back(x_t, t, None), x_t, t, None)
    for given in seen:
        torch.testing.assert_close(given, torch.arange(4.0))
    assert len(seen) == 2
