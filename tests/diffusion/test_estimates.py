"""What is done to estimates that leave the range of samples."""

from functools import partial

import pytest
import torch
from torch import Tensor

from genbench.diffusion.estimates import Clamp, Estimate, clamping, threshold
from genbench.diffusion.processes import DiscreteProcess, VariancePreserving
from genbench.diffusion.samplers import (
    ancestral,
    ddim,
    dpm_solver,
    heun,
    predictor_corrector,
    probability_flow,
    repaint,
)

BOUNDS = (-1.0, 1.0)


def test_static_clamps_each_value_and_none_leaves_all() -> None:
    x_0 = torch.tensor([[-3.0, 0.5, 1.5]])
    t = torch.tensor(0.5)
    estimate = Estimate(x_0, bounds=BOUNDS)
    assert clamping(lambda x, t: estimate, "static")(x_0, t).x_0.tolist() == [[-1.0, 0.5, 1.0]]
    assert clamping(lambda x, t: estimate, "none")(x_0, t).x_0 is x_0
    # Latents have no range.
    assert clamping(lambda x, t: Estimate(x_0), "static")(x_0, t).x_0 is x_0


def test_dynamic_thresholding_scales_what_saturates_and_leaves_the_rest() -> None:
    within = torch.linspace(-0.9, 0.9, 1000).view(1, 10, 100)
    # 1 % of the second sample's values are 4: its 99.5 % quantile is 4, to which all is scaled.
    beyond = within.clone()
    beyond.view(-1)[:10] = 4
    found = threshold(torch.cat([within, beyond]), BOUNDS)
    torch.testing.assert_close(found[:1], within)
    torch.testing.assert_close(found[1:], beyond / 4)
    # A few values beyond the quantile are clamped to it.
    beyond.view(-1)[:2] = 100
    assert threshold(beyond, BOUNDS).max() == 1


def test_dynamic_thresholding_keeps_to_any_range() -> None:
    x_0 = torch.linspace(-7, 9, 501).view(1, -1)
    found = threshold(x_0, (0.0, 2.0))
    assert (found.min(), found.max()) == (0, 2)
    torch.testing.assert_close(found + found.flip(1), torch.full_like(found, 2.0))


@pytest.mark.parametrize(
    "sampler",
    [
        partial(ancestral, steps=4),
        partial(ddim, steps=4),
        partial(heun, steps=4),
        partial(dpm_solver, steps=4),
        partial(predictor_corrector, steps=4, order="predictor_first"),
        partial(probability_flow, tolerance=0.1),
        partial(repaint, steps=4, resamplings=2, known=torch.zeros(2, 3), mask=torch.zeros(3)),
    ],
    ids=lambda sampler: sampler.func.__name__,
)
@pytest.mark.parametrize("clamp", ["none", "static", "dynamic"])
def test_every_sampler_clamps_as_it_is_asked_to(sampler: partial[Tensor], clamp: Clamp) -> None:
    process = VariancePreserving() if sampler.func is probability_flow else DiscreteProcess("cosine", 20)

    def denoise(x: Tensor, t: Tensor) -> Estimate:
        return Estimate(torch.full_like(x, 5.0), bounds=BOUNDS)

    x_0 = sampler(denoise, process, torch.randn(2, 3), lambda: torch.randn(2, 3), clamp=clamp)
    torch.testing.assert_close(x_0, torch.full((2, 3), 5.0 if clamp == "none" else 1.0))


def test_another_way_to_clamp_is_refused() -> None:
    with pytest.raises(ValueError, match="clamp must be none, static, dynamic, not 'hard'"):
        clamping(lambda x, t: Estimate(x), "hard")  # type: ignore[arg-type]
