"""Samplers: plain functions of a denoiser, a process and the initial noise.

    denoise(x_t, t) -> Estimate      the estimate of a trained network, or an exact formula, for x_t at time t

Each steps down a grid of times from 1 to `process.first` and returns the denoiser's image there. What `clamp` does to
the estimates is said in `estimates`. Times and the coefficients derived from them are double-precision scalars on the
CPU, which torch combines with images on any device. `draw()` returns fresh standard normal noise of x's shape. A
network's eps, v or score is converted to x_0 by `parameterisation`, so every sampler works with every parameterisation.

Example:
    >>> x_1 = process.prior_std * torch.randn(64, 1, 32, 32)
    >>> images = ddim(denoise, process, x_1, draw, steps=50)
"""

from genbench.diffusion.samplers.base import Draw, Transition, flow, score, transition
from genbench.diffusion.samplers.chain import Variance, ancestral, ddim, ddim_encode
from genbench.diffusion.samplers.ode import dpm_solver, heun, probability_flow
from genbench.diffusion.samplers.repainting import repaint
from genbench.diffusion.samplers.sde import predictor_corrector
from genbench.diffusion.samplers.stochastic import stochastic_heun

__all__ = [
    "Draw",
    "Transition",
    "Variance",
    "ancestral",
    "ddim",
    "ddim_encode",
    "dpm_solver",
    "flow",
    "heun",
    "predictor_corrector",
    "probability_flow",
    "repaint",
    "score",
    "stochastic_heun",
    "transition",
]
