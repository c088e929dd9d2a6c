"""Inpainting by any diffusion model: RePaint (Lugmayr et al. 2022, https://arxiv.org/abs/2201.09865)."""

from itertools import pairwise

from torch import Tensor

from genbench.diffusion.estimates import Clamp, Denoise, settled
from genbench.diffusion.processes import Process
from genbench.diffusion.samplers.base import Draw, transition


def repaint(
    denoise: Denoise,
    process: Process,
    x: Tensor,
    draw: Draw,
    known: Tensor,
    mask: Tensor,
    *,
    steps: int = 250,
    resamplings: int = 10,
    clamp: Clamp = "static",
) -> Tensor:
    """RePaint: fill in the missing part of images (Lugmayr et al. 2022, https://arxiv.org/abs/2201.09865, algorithm 1).

    Args:
        denoise: see above.
        process: that the denoiser was trained for.
        x: x_1, (B, ...).
        draw: see above.
        known: images (B, ...); what is outside the mask is ignored.
        mask: 1 where they are known, 0 where they are to be filled in; broadcastable.
        steps: times.
        resamplings: how often each step is repeated, with noise added back in between, so that both parts agree.
        clamp: of the estimates.
    """
    denoise = settled(denoise, process, clamp)
    times = process.times(steps, "uniform")
    for t, s in pairwise(times):
        step = transition(process, t, s)
        for number in range(resamplings):
            filled = step.mean(denoise(x, t).x_0, x) + step.variance.sqrt() * draw()
            kept = process.alpha(s) * known + process.sigma(s) * draw()
            x = mask * kept + (1 - mask) * filled
            if number < resamplings - 1:
                x = (process.alpha(t) / process.alpha(s)) * x + step.step_variance.sqrt() * draw()
    return mask * known + (1 - mask) * denoise(x, times[-1]).x_0
