"""EDM's stochastic sampler (Karras et al. 2022, https://arxiv.org/abs/2206.00364, algorithm 2)."""

from itertools import pairwise

from torch import Tensor

from genbench.diffusion.estimates import Clamp, Denoise, settled
from genbench.diffusion.processes import Process, Spacing
from genbench.diffusion.samplers.base import Draw
from genbench.diffusion.samplers.ode import Level, heun_step

_MOST = 2**0.5 - 1
"""A noise level is raised by this fraction of itself at most, so that never more noise is added than there is."""


def stochastic_heun(
    denoise: Denoise,
    process: Process,
    x: Tensor,
    draw: Draw,
    *,
    steps: int = 256,
    churn: float = 40.0,
    churn_from: float = 0.05,
    churn_to: float = 50.0,
    churn_noise: float = 1.003,
    spacing: Spacing = "karras",
    clamp: Clamp = "none",
) -> Tensor:
    """Raise the noise level a little before each step of Heun's method, which corrects errors of earlier steps.

    As `heun`, in y = x / alpha and r = sigma / alpha; without churn it is `heun`. The defaults are the paper's for
    ImageNet at 64.

    Args:
        denoise: see above.
        process: that the denoiser was trained for.
        x: x_1, (B, ...).
        draw: see above.
        steps: network calls are twice as many, less one.
        churn: the sum of the raises of all steps, each a fraction of the noise level.
        churn_from: least noise level r that is raised.
        churn_to: largest one.
        churn_noise: standard deviation of the added noise, relative to what the level takes.
        spacing: of the times.
        clamp: of the estimates.

    Raises:
        ValueError: `churn` or `churn_noise` is negative.
    """
    if churn < 0 or churn_noise < 0:
        raise ValueError(f"churn={churn} and churn_noise={churn_noise} must be at least 0")
    denoise = settled(denoise, process, clamp)

    def raised(y: Tensor, level: Level) -> tuple[Tensor, Level]:
        r = level.r
        if not churn or not churn_from <= r <= churn_to:
            return y, level
        above = r * (1 + min(churn / steps, _MOST))
        y = y + (above.square() - r.square()).sqrt() * churn_noise * draw()
        # The first level may be raised beyond the last time.
        t = process.time_of(-2 * above.log()).clamp(max=1)
        return y, Level(above, process.alpha(t), t)

    times = process.times(steps, spacing)
    alphas, ratios = process.alpha(times), process.sigma(times) / process.alpha(times)
    levels = [*map(Level, ratios, alphas, times)]
    y = x / alphas[0]
    for now, then in pairwise(levels):
        y, now = raised(y, now)
        y = heun_step(denoise, y, now, then)
    y, last = raised(y, levels[-1])
    return denoise(y * last.alpha, last.t).x_0
