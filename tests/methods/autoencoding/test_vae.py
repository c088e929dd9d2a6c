"""The VAE's bound against a model whose likelihood is known, and its parts."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal, kl_divergence

from genbench.conditions.base import Condition
from genbench.diffusion.likelihood import LEVEL
from genbench.methods.autoencoding.vae import VAE
from genbench.networks.autoencoder import Autoencoder
from genbench.randomness import Noise
from tests.kinds import classes

SHAPE = (1, 2, 2)
NOISE = 0.2


class Linear(nn.Module):
    """Decode every pixel to the sum of the latents over two with a fixed scale; encode by the exact posterior, or not.

    The logistic noise has the deviation NOISE, so by its first two moments this is a Gaussian model.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int,
        condition: Condition | None,
        outputs: int,
        off: float = 0.0,
    ) -> None:
        super().__init__()
        self.off, self.outputs = nn.Parameter(torch.tensor(off)), outputs

    def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        precision = 1 + 4 * 0.25 / NOISE**2
        mean = 0.5 * x.flatten(1).sum(1, keepdim=True) / NOISE**2 / precision
        return mean + self.off, torch.full_like(mean, -math.log(precision))

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        mean = 0.5 * z[:, :, None, None].expand(-1, *SHAPE)
        return torch.cat([mean, torch.full_like(mean, math.log(NOISE * math.sqrt(3) / math.pi))][: self.outputs], dim=1)


def make(build: Callable[..., Any] = Linear, shape: Sequence[int] = SHAPE, **settings: Any) -> VAE:
    torch.manual_seed(0)
    defaults: dict[str, Any] = {
        "latent_dim": 1,
        "optimizer": partial(torch.optim.Adam, lr=1e-2),
        "ema_decay": 0.0,
    }
    method = VAE(build, shape, classes(3), **(defaults | settings))
    method.average.update_parameters(method.autoencoder)
    return method


def images(count: int) -> Tensor:
    """Draw from the model itself: z ~ N(0, 1), pixels logistic around z / 2."""
    generator = torch.Generator().manual_seed(2)
    z, u = torch.randn(count, 1, 1, 1, generator=generator), torch.rand(count, *SHAPE, generator=generator)
    x = 0.5 * z + NOISE * math.sqrt(3) / math.pi * (u / (1 - u)).log()
    return ((x + 1) / LEVEL).round().clamp(0, 255) * LEVEL - 1


def exact_bits(x: Tensor) -> Tensor:
    """Return -log2 p(x) a dimension by summing over a fine grid of latents."""
    z = torch.linspace(-6, 6, 4001).double()
    scale = NOISE * math.sqrt(3) / math.pi
    x = x.double()[:, None]
    edges = [(x + side * LEVEL / 2 - 0.5 * z.view(1, -1, 1, 1, 1)) / scale for side in (1, -1)]
    # Black and white have all that lies beyond.
    edges = [torch.where(x > 0.999, torch.inf, edges[0]), torch.where(x < -0.999, -torch.inf, edges[1])]
    mass = (edges[0].sigmoid() - edges[1].sigmoid()).clamp_min(1e-300).log().flatten(2).sum(2)
    prior = Normal(0.0, 1.0).log_prob(z) + math.log(float(z[1] - z[0]))
    return -(mass + prior).logsumexp(1) / (4 * math.log(2))


def test_the_bound_lies_above_the_likelihood_and_more_draws_bring_it_down_to_it() -> None:
    torch.manual_seed(0)
    x = images(300)
    truth = exact_bits(x).mean().item()
    found = {
        (draws, off): make(partial(Linear, off=off), likelihood_draws=draws).bits_per_dim(x, noise=Noise(0)).mean()
        for draws, off in ((1, 0.0), (1, 0.3), (300, 0.0), (300, 0.3))
    }
    assert truth + 0.005 < found[1, 0.0] < found[1, 0.3]
    assert found[300, 0.0].item() == pytest.approx(truth, abs=0.005)
    assert found[300, 0.3].item() == pytest.approx(truth, abs=0.02)


def test_the_two_terms_are_what_they_are_called() -> None:
    method, x = make(), images(4000)
    distortion, rate = method.terms(method.autoencoder, x, None)  # type: ignore[arg-type]
    mean, log_variance = method.autoencoder.encode(x)
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(rate, expected, rtol=1e-4, atol=1e-5)
    bits = (distortion + rate).mean().item() / (4 * math.log(2))
    one = make(likelihood_draws=1).bits_per_dim(x, noise=Noise(0)).mean().item()
    assert bits == pytest.approx(one, abs=0.03)


def test_bernoulli_is_torchs_and_its_likelihood_is_of_black_and_white(monkeypatch: pytest.MonkeyPatch) -> None:
    method = make(decoder="bernoulli")
    decoded, x = torch.randn(5, *SHAPE), torch.rand(5, *SHAPE).round() * 2 - 1
    expected = Bernoulli(logits=decoded).log_prob((x + 1) / 2).flatten(1).sum(1)
    torch.testing.assert_close(method.log_likelihood(decoded, x), expected)
    # No encoder or decoder that knows nothing of four fair coins needs less than a bit for each.
    assert method.bits_per_dim(torch.zeros(500, *SHAPE), noise=Noise(0)).mean() > 1
    assert "black and white" in method.likelihood
    seen: list[Tensor] = []
    monkeypatch.setattr(method, "log_likelihood", lambda decoded, x: seen.append(x) or torch.zeros(len(x)))
    method.bits_per_dim(torch.full((4000, *SHAPE), 0.5), noise=Noise(0))
    # Each pixel is white as often as it is bright.
    assert set(seen[0].unique().tolist()) == {-1, 1}
    assert seen[0].mean().item() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("decoder", ["logistic", "bernoulli"])
def test_training_lowers_the_bound_and_samples_are_decoded_latents(decoder: str) -> None:
    method = make(partial(Autoencoder, width=8), (1, 8, 8), latent_dim=4, decoder=decoder, conditional=True)
    x, y = torch.rand(64, 1, 8, 8).round() * 2 - 1, torch.arange(64) % 3
    optimizer, losses = torch.optim.Adam(method.parameters(), lr=1e-2), []
    for _ in range(60):
        optimizer.zero_grad()
        loss = sum(method.terms(method.autoencoder, x, y)).mean()  # type: ignore[union-attr]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    method.average.update_parameters(method.autoencoder)
    labels = torch.arange(10) % 3
    drawn = method.sample(10, labels, noise=Noise(3))
    assert drawn.shape == (10, 1, 8, 8)
    assert drawn.abs().max() <= 1
    assert torch.equal(drawn, method.decode(Noise(3).normal(10, 4), labels))
    assert not torch.equal(drawn, method.sample(10, (labels + 1) % 3, noise=Noise(3)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beta": -1.0}, "beta"),
        ({"latent_dim": 0}, "latent_dim"),
        ({"decoder": "gaussian"}, "decoder must be"),
        ({"likelihood_draws": 0}, "likelihood_draws"),
    ],
)
def test_settings_that_do_not_do(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**settings)


def test_images_and_classes_that_do_not_do() -> None:
    with pytest.raises(ValueError, match="even side"):
        make(Autoencoder, (1, 9, 9))
    with pytest.raises(ValueError, match="unconditional"):
        make().sample(2, torch.tensor([0, 1]), noise=Noise(0))
    with pytest.raises(ValueError, match="2 samples take as many conditions"):
        make(conditional=True).sample(2, noise=Noise(0))
