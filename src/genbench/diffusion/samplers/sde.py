"""The sampler of the reverse SDE, with corrections (Song et al. 2021, https://arxiv.org/abs/2011.13456)."""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from genbench.choices import expect_choice
from genbench.diffusion.estimates import Clamp, Denoise, settled
from genbench.diffusion.processes import Process
from genbench.diffusion.samplers.base import Draw, score

Predictor = Literal["reverse_diffusion", "euler_maruyama"]
LangevinAlpha = Literal["step", "cumulative"]
Order = Literal["corrector_first", "predictor_first"]


def predictor_corrector(
    denoise: Denoise,
    process: Process,
    x: Tensor,
    draw: Draw,
    *,
    steps: int = 1000,
    predictor: Predictor = "reverse_diffusion",
    corrections: int = 1,
    snr: float = 0.16,
    langevin_alpha: LangevinAlpha = "step",
    order: Order = "corrector_first",
    clamp: Clamp = "none",
) -> Tensor:
    """Reverse the SDE by a predictor, and correct by Langevin steps (Song et al. 2021, algorithms 1, 4 and 5).

    Args:
        denoise: see above.
        process: that the denoiser was trained for.
        x: x_1, (B, ...).
        draw: see above.
        steps: of the predictor; network calls are 1 + `corrections` times as many.
        predictor: "reverse_diffusion", which reverses a step of the chain of `Process.discretised`; or
            "euler_maruyama", of the SDE.
        corrections: Langevin steps at each time; 0 for the predictor alone.
        snr: signal-to-noise ratio of a Langevin step, which sets its size from the norms of noise and score.
        langevin_alpha: factor of that size: "step", the chain's alpha_i = 1 - beta_i, as in algorithm 5; or
            "cumulative", alpha_bar, as earlier versions had it, which all but stops the corrections at large t.
        order: "corrector_first", as in the authors' code, whose result is the last predictor's mean; or
            "predictor_first", as in algorithm 1, after which the result is the expected image.
        clamp: of the estimates.

    Raises:
        ValueError: there is no such choice, or there are too few steps.
    """
    for name, value, choices in (
        ("predictor", predictor, Predictor),
        ("langevin_alpha", langevin_alpha, LangevinAlpha),
        ("order", order, Order),
    ):
        expect_choice(name, value, choices)
    denoise = settled(denoise, process, clamp)

    def predicted(x: Tensor, t: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        slope = score(process, denoise(x, t).x_0, x, t)
        if predictor == "reverse_diffusion":
            a, variance = process.discretised(t, steps)
            return (2 - a) * x + variance * slope, variance.sqrt()
        g_squared = process.g_squared(t)
        return x - dt * (process.f(t) * x - g_squared * slope), (g_squared * dt).sqrt()

    def corrected(x: Tensor, t: Tensor) -> Tensor:
        for _ in range(corrections):
            slope, noise = score(process, denoise(x, t).x_0, x, t), draw()
            alpha = process.discretised(t, steps)[0] if langevin_alpha == "step" else process.alpha(t)
            # The mean over the batch, as in the authors' code: a separate size for each image would bias the result.
            # An untrained network may predict exactly nothing, for which the step would be infinite.
            least = _mean_norm(slope).clamp_min(1e-8)
            size = 2 * (snr * _mean_norm(noise) / least).square() * alpha.square()
            x = x + size * slope + (2 * size).sqrt() * noise
        return x

    times = process.times(steps, "uniform")
    if order == "predictor_first":
        for t, s in pairwise(times):
            mean, deviation = predicted(x, t, t - s)
            x = corrected(mean + deviation * draw(), s)
        return denoise(x, times[-1]).x_0
    for t in times:
        mean, deviation = predicted(corrected(x, t), t, torch.tensor(1 / steps))
        x = mean + deviation * draw()
    return mean


def _mean_norm(x: Tensor) -> Tensor:
    return x.flatten(1).norm(dim=1).mean()
