"""EDM of Gaussian data, for which the best network is known under each preconditioning."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.conditions.base import Condition
from genbench.diffusion.edm import PolynomialSigma, coefficients
from genbench.diffusion.processes import VariancePreserving
from genbench.diffusion.samplers import heun
from genbench.medium import Images
from genbench.methods.denoising.edm import EDM
from genbench.randomness import Noise

SHAPE = (1, 2, 2)
MEAN, SPREAD = 0.1, 0.25


class Known(nn.Module):
    """The best network for pixels N(MEAN, SPREAD^2) times a parameter, by the noise level that c_noise says."""

    def __init__(self, shape: Sequence[int], condition: Condition | None, precondition: str) -> None:
        super().__init__()
        self.precondition = precondition
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, seen: Tensor, noise: Tensor, y: Tensor | None = None) -> Tensor:
        if self.precondition == "edm":
            sigma = (4 * noise).exp()
        elif self.precondition == "ve":
            sigma = 2 * noise.exp()
        else:
            process = VariancePreserving()
            sigma = process.sigma(noise / 999) / process.alpha(noise / 999)
        c = coefficients(self.precondition, sigma.view(-1, 1, 1, 1), SPREAD)  # type: ignore[arg-type]
        x, sigma = seen / c.into, sigma.view(-1, 1, 1, 1)
        best = (SPREAD**2 * x + sigma**2 * MEAN) / (SPREAD**2 + sigma**2)
        return self.scale * (best - c.skip * x) / c.out


def make(precondition: str = "edm", **settings: Any) -> EDM:
    torch.manual_seed(0)
    defaults: dict[str, Any] = {
        "process": PolynomialSigma(),
        "precondition": precondition,
        "data_std": SPREAD,
        "sampler": partial(heun, steps=60),
        "optimizer": partial(torch.optim.Adam, lr=1e-2),
        "ema_decay": 0.0,
    }
    method = EDM(partial(Known, precondition=precondition), Images(SHAPE), None, **(defaults | settings))
    method.average.update_parameters(method.denoiser)
    return method


@pytest.mark.parametrize("precondition", ["edm", "vp", "ve"])
@pytest.mark.parametrize("process", [PolynomialSigma(), VariancePreserving()])
def test_samples_have_the_datas_mean_and_spread(precondition: str, process: Any) -> None:
    images = make(precondition, process=process).sample(2000, noise=Noise(0))
    assert images.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert images.std().item() == pytest.approx(SPREAD, rel=0.05)


@pytest.mark.parametrize("precondition", ["edm", "vp", "ve"])
def test_the_loss_of_the_best_network_is_what_the_noise_leaves_unknown(precondition: str) -> None:
    method = make(precondition)
    x_0 = MEAN + SPREAD * torch.randn(20_000, *SHAPE)
    sigma = torch.tensor(0.7)
    t = method.process.time_of(-2 * sigma.log()).expand(len(x_0))
    # The variance of x_0 given x, in units of c_out^2.
    unknown = SPREAD**2 * sigma**2 / (SPREAD**2 + sigma**2)
    expected = unknown / coefficients(precondition, sigma, SPREAD).out ** 2  # type: ignore[arg-type]
    assert method.losses(x_0, t, None).mean().item() == pytest.approx(expected.item(), rel=0.03)


def test_noise_levels_of_the_training_are_log_normal() -> None:
    for process in (PolynomialSigma(), VariancePreserving()):
        method = make(process=process, log_sigma_mean=-1.0, log_sigma_std=0.8)
        t, weights = method.draw_times(20_000)
        logs = (process.sigma(t) / process.alpha(t)).log()
        assert logs.mean().item() == pytest.approx(-1.0, abs=0.03)
        assert logs.std().item() == pytest.approx(0.8, abs=0.03)
        assert (weights == 1).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"data_std": 0.0}, "data_std"), ({"log_sigma_std": 0.0}, "log sigma"), ({"precondition": "x"}, "precondition")],
)
def test_settings_that_do_not_do(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**settings)
