"""What all samplers are made of: transitions of a process, its score and its flow."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from genbench.diffusion.estimates import Denoise
from genbench.diffusion.parameterisation import from_x_0
from genbench.diffusion.processes import Process

Draw = Callable[[], Tensor]
"""Fresh standard normal noise of the samples' shape."""


class Transition(NamedTuple):
    """q(x_s | x_t, x_0) = N(a x_0 + b x_t, variance), s < t, and the variance of q(x_t | x_s); all shaped like t."""

    a: Tensor
    b: Tensor
    variance: Tensor
    step_variance: Tensor

    def like(self, x: Tensor) -> "Transition":
        """Return the same with x's dtype and on its device."""
        return Transition(*(value.to(x) for value in self))

    def mean(self, x_0: Tensor, x_t: Tensor) -> Tensor:
        """Return the mean of x_s."""
        return self.a * x_0 + self.b * x_t


def transition(process: Process, t: Tensor, s: Tensor) -> Transition:
    """Return the posterior transition from time t down to s (Ho et al. 2020, equation 7; Kingma et al. 2021, A)."""
    alpha_t, alpha_s = process.alpha(t), process.alpha(s)
    variance_t, variance_s = process.sigma(t).square(), process.sigma(s).square()
    ratio = alpha_t / alpha_s
    step_variance = variance_t - ratio.square() * variance_s
    return Transition(
        alpha_s * step_variance / variance_t,
        ratio * variance_s / variance_t,
        step_variance * variance_s / variance_t,
        step_variance,
    )


def flow(denoise: Denoise, process: Process, x: Tensor, t: Tensor) -> Tensor:
    """Return dx / dt = f x - g^2 / 2 score, the ODE with the same marginals as the SDE."""
    slope = score(process, denoise(x, t).x_0, x, t)
    return process.f(t) * x - process.g_squared(t) / 2 * slope


def score(process: Process, x_0: Tensor, x: Tensor, t: Tensor) -> Tensor:
    """Return grad log p_t(x) from a denoiser's x_0 (Tweedie's formula)."""
    return from_x_0("score", x_0, x, process.alpha(t), process.sigma(t))
