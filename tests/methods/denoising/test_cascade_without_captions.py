"""Cascades without captions, and where the noise of small images comes from."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.batch import Batch
from genbench.conditions.source_images import SourceImages
from genbench.diffusion.processes import DiscreteProcess
from genbench.diffusion.samplers import ancestral, ddim, heun
from genbench.errors import UserError
from genbench.medium import Images
from genbench.methods.denoising.cascade import Cascade
from genbench.methods.denoising.ddpm import DDPM
from genbench.methods.denoising.upsampler import Upsampler
from genbench.parts import freeze
from genbench.randomness import Noise
from tests.kinds import classes

PROCESS = DiscreteProcess("cosine", 1000)
X = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


class Grey(nn.Module):
    """The exact denoiser of images that are all of one shade, where it predicts x_0; it remembers what it is given."""

    def __init__(self, shape: Any, condition: Any = None, **settings: Any) -> None:
        super().__init__()
        self.shade = nn.Parameter(torch.tensor(0.5))
        self.condition = condition
        self.given: list[dict[str, Tensor]] = []

    def forward(self, x_t: Tensor, t: Tensor, y: Tensor | None = None, **given: Tensor) -> Tensor:
        self.given.append(given)
        return self.shade.expand_as(x_t)


def base(process: DiscreteProcess = PROCESS, sampler: Any = None, **settings: Any) -> DDPM:
    return DDPM(
        Grey, Images((1, 4, 4)), process=process, prediction="x_0", sampler=sampler or partial(ddim, steps=10),
        optimizer=partial(torch.optim.Adam, lr=0.01), ema_decay=0.0, **settings,
    )  # fmt: skip


def upsampler(**settings: Any) -> Upsampler:
    return Upsampler(
        Grey, Images((1, 8, 8)), None, conditional=False, process=PROCESS, prediction="x_0",
        sampler=partial(ddim, steps=3), optimizer=partial(torch.optim.Adam, lr=0.01), ema_decay=0.0,
        **{"factor": 2, **settings},
    )  # fmt: skip


def cascade(of: Any = None, up: Any = None, **settings: Any) -> Cascade:
    parts = of or base(), up or upsampler()
    for part in parts:
        freeze(part)
    return Cascade(*parts, **settings)


def test_an_upsampler_without_captions_takes_small_images() -> None:
    method = upsampler(level=0.0)
    assert isinstance(method.condition, SourceImages)
    assert method.condition.shape == (1, 4, 4)
    assert method.denoiser.condition is None
    low = method.condition_of(Batch(X, None))
    assert torch.equal(low, method.shrink(X))
    method.loss(Batch(X, None))
    (given,) = method.denoiser.given
    assert given["extra"].shape == (4, 1, 8, 8)
    assert len(given["level"].unique()) == 4
    method.average.module.given.clear()
    method.sample(4, low, noise=Noise(0))
    given = method.average.module.given[0]
    torch.testing.assert_close(given["level"], torch.zeros(4))
    torch.testing.assert_close(given["extra"].mean((2, 3)), low.mean((2, 3)), atol=0.1, rtol=0)
    with pytest.raises(ValueError, match=r"set guidance=0"):
        upsampler(guidance=1.0)


def test_small_images_are_drawn_and_then_made_noisy() -> None:
    method = cascade(level=0.3)
    drawn = method.sample(4, noise=Noise(0))
    torch.testing.assert_close(drawn, torch.full((4, 1, 8, 8), 0.5))
    given = method.upsampler.average.module.given[0]
    torch.testing.assert_close(given["level"], torch.full((4,), 0.3))
    # Of one shade and noise by the process of the upsampler.
    torch.testing.assert_close(given["extra"].mean(), 0.5 * PROCESS.alpha(torch.tensor(0.3)), atol=0.15, rtol=0)


@pytest.mark.parametrize("sampler", [partial(ddim, steps=10), partial(ancestral, steps=10), partial(heun, steps=6)])
def test_truncated_sampling_ends_at_images_as_noisy_as_diffused_ones(sampler: Any) -> None:
    method = base(sampler=sampler)
    t = 0.4
    x_t = method.sample_until(t, 4000, noise=Noise(0))
    alpha, sigma = (float(each(torch.tensor(t, dtype=torch.float64))) for each in (PROCESS.alpha, PROCESS.sigma))
    assert x_t.mean().item() == pytest.approx(0.5 * alpha, abs=0.01)
    assert x_t.std().item() == pytest.approx(sigma, rel=0.02)


def test_a_truncated_cascade_hands_on_what_is_still_noisy() -> None:
    method = cascade(augmentation="truncated", level=0.4)
    drawn = method.sample(64, noise=Noise(0))
    torch.testing.assert_close(drawn, torch.full((64, 1, 8, 8), 0.5))
    given = method.upsampler.average.module.given[0]
    torch.testing.assert_close(given["level"], torch.full((64,), 0.4))
    alpha = float(PROCESS.alpha(torch.tensor(0.4, dtype=torch.float64)))
    assert given["extra"].mean().item() == pytest.approx(0.5 * alpha, abs=0.05)
    # At level 0 there is nothing to end early for.
    assert torch.equal(
        cascade(augmentation="truncated", level=0.0).sample(4, noise=Noise(0)),
        cascade(level=0.0).sample(4, noise=Noise(0)),
    )


def test_classes_lead_the_base_of_an_upsampler_that_takes_none() -> None:
    method = cascade(base(condition=classes(3), conditional=True))
    assert method.condition is method.base.condition
    assert method.sample(2, torch.tensor([0, 2]), noise=Noise(0)).shape == (2, 1, 8, 8)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cascade(level=1.5), r"level must be in \[0, 1\]"),
        (lambda: cascade(up=upsampler(augmentation="none", level=0.0), level=0.2), "without noise"),
        (lambda: cascade(base(DiscreteProcess("linear", 1000)), augmentation="truncated"), "of one process"),
        (lambda: cascade(up=upsampler(factor=4)), r"takes \(1, 2, 2\)"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_spacing_that_can_t_end_early_is_named() -> None:
    method = base(sampler=partial(ddim, steps=10, spacing="leading"))
    with pytest.raises(UserError, match=r"set sampler\.spacing=uniform"):
        method.sample_until(0.4, 2, noise=Noise(0))
