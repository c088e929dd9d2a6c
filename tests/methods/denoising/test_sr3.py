"""SR3: what its network is given, and what its loss is."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from genbench.batch import Batch
from genbench.conditions.derived import LowResolution
from genbench.diffusion.processes import DiscreteProcess
from genbench.diffusion.samplers import ddim
from genbench.medium import Images
from genbench.methods.denoising.sr3 import SR3
from genbench.networks.unet import UNet
from genbench.randomness import Noise
from tests.networks.test_unet import awake

PROCESS = DiscreteProcess("linear", 2000, beta_start=2e-6, beta_end=2e-2)
X = torch.rand(16, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


class Remembers(nn.Module):
    """Predict nothing, and remember what was given."""

    def __init__(self, shape: Any, condition: Any) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))
        self.given: list[tuple[Tensor, ...]] = []

    def forward(self, x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        self.given.append((x_t, t, y))
        return self.bias + 0 * x_t


def sr3(network: Any = Remembers, **settings: Any) -> SR3:
    torch.manual_seed(0)
    return SR3(
        network, Images((1, 16, 16)),
        **{"process": PROCESS, "derive": LowResolution(4), "sampler": partial(ddim, steps=3), "condition_dropout": 0.0,
           "optimizer": partial(torch.optim.Adam, lr=0.01), "ema_decay": 0.0, **settings},
    )  # fmt: skip


def test_the_network_is_given_the_noise_level_of_its_image() -> None:
    method = sr3()
    x_0 = torch.ones(4000, 1, 16, 16)
    method.loss(Batch(x_0, None))
    ((x_t, level, low),) = method.denoiser.given
    torch.testing.assert_close(low, torch.ones(4000, 1, 4, 4))
    # What is left of an image of ones is sqrt(gamma) of it, and the rest of the variance is noise.
    torch.testing.assert_close(x_t.mean((1, 2, 3)), level, atol=0.3, rtol=0)
    assert (x_t - level.view(-1, 1, 1, 1)).square().mean().item() == pytest.approx(
        (1 - level**2).mean().item(), rel=0.02
    )
    # Levels are between the steps of the chain, not on them.
    steps = PROCESS.alpha(torch.arange(2001, dtype=torch.float64) / 2000)
    nearest = (level.double()[:, None] - steps).abs().amin(1)
    widths = -steps.diff()
    assert (nearest < widths.max()).all()
    assert (nearest > 0.05 * widths[1000]).float().mean() > 0.5


@pytest.mark.parametrize(("norm", "expected"), [("l1", (2 / torch.pi) ** 0.5), ("l2", 1.0)])
def test_the_loss_of_predicting_nothing_is_a_moment_of_normal_noise(norm: str, expected: float) -> None:
    method = sr3(norm=norm)
    loss, _ = method.loss(Batch(X.repeat(64, 1, 1, 1), None))
    assert loss.item() == pytest.approx(expected, rel=0.01)


def test_samplers_may_take_other_steps_than_the_chain() -> None:
    method = sr3()
    method.average.module.given.clear()
    method.sample(2, LowResolution(4)(X[:2]), noise=Noise(0, 0))
    levels = torch.stack([level[0] for _, level, _ in method.average.module.given])
    torch.testing.assert_close(levels, PROCESS.alpha(PROCESS.times(3)).float())


def test_the_small_image_is_bicubically_enlarged_beside_the_noisy_one() -> None:
    network = partial(UNet, width=8, multipliers=(1, 2), blocks=1, attention=(), dropout=0.0)
    method = sr3(network)
    awake(method.denoiser)
    low, x_t, level = LowResolution(4)(X[:2]), X[2:4], torch.tensor([0.3, 0.9])
    seen: list[Tensor] = []
    first: nn.Conv2d = method.denoiser.from_image
    first.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    before = method.predict(method.denoiser, x_t, level, low)
    assert torch.equal(seen[0][:, :1], x_t)
    torch.testing.assert_close(seen[0][:, 1:], interpolate(low, (16, 16), mode="bicubic", align_corners=False))
    # Without weights for it the model is unconditional.
    with torch.no_grad():
        first.weight[:, 1:] = 0
    one, other = (method.predict(method.denoiser, x_t, level, y) for y in (low, low.flip(0)))
    assert torch.equal(one, other)
    assert not torch.equal(one, before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"derive": None}, "draws from source images"),
        ({"norm": "l3"}, "norm must be l1 or l2"),
        ({"weighting": "snr"}, "with norm=l1 set weighting=simple"),
        ({"derive": LowResolution(3)}, "can't be shrunk by a factor of 3"),
    ],
)
def test_what_it_can_t_do_is_said(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sr3(**settings)
