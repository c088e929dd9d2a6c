"""EDM's noise levels and preconditioning (Karras et al. 2022, https://arxiv.org/abs/2206.00364, table 1).

A denoiser D is made of a network F whose input and target have unit variance at every noise level sigma,

    D(x; sigma) = c_skip x + c_out F(c_in x; c_noise),    x = x_0 + sigma eps

and whose error is weighted by 1 / c_out^2, so that the loss of F is a plain mean square.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from genbench.diffusion.processes import Process

Precondition = Literal["edm", "vp", "ve"]


class PolynomialSigma(Process):
    """x_t = x_0 + sigma(t) eps, with the `rho`-th root of sigma linear in t: EDM's sampling steps are uniform in t.

    Args:
        sigma_min: at t = 0.
        sigma_max: at t = 1.
        rho: 7 in the paper, which spends more steps on small noise levels.

    Raises:
        ValueError: an argument is out of range.
    """

    first = 0.0

    def __init__(self, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0) -> None:
        if not 0 < sigma_min < sigma_max:
            raise ValueError(f"sigma_min={sigma_min} and sigma_max={sigma_max} must be positive and in this order")
        if rho <= 0:
            raise ValueError(f"rho must be positive, not {rho}")
        self.low, self.high, self.rho = sigma_min ** (1 / rho), sigma_max ** (1 / rho), rho

    def root(self, t: Tensor) -> Tensor:
        """The `rho`-th root of sigma."""
        return self.low + t * (self.high - self.low)

    def alpha(self, t: Tensor) -> Tensor:
        """One."""
        return torch.ones_like(t)

    def sigma(self, t: Tensor) -> Tensor:
        """Standard deviation of the noise."""
        return self.root(t) ** self.rho

    def f(self, t: Tensor) -> Tensor:
        """Zero."""
        return torch.zeros_like(t)

    def g_squared(self, t: Tensor) -> Tensor:
        """The derivative of sigma^2."""
        return 2 * self.rho * (self.high - self.low) * self.root(t) ** (2 * self.rho - 1)

    def time_of(self, log_snr: Tensor) -> Tensor:
        """Return the times with a given log signal-to-noise ratio; those beyond both ends lie outside of [0, 1]."""
        return ((-log_snr / (2 * self.rho)).exp() - self.low) / (self.high - self.low)


class Coefficients(NamedTuple):
    """Of the preconditioning, all shaped like sigma."""

    skip: Tensor
    out: Tensor
    into: Tensor
    noise: Tensor


def coefficients(name: Precondition, sigma: Tensor, data_std: float = 0.5) -> Coefficients:
    """Return c_skip, c_out, c_in and c_noise of a preconditioning.

    Args:
        name: "edm"; or "vp" and "ve", which make D of a network that was trained as Song et al. (2021) do: the first
            predicts the noise and knows 999 t of the variance preserving SDE, the second predicts its negative and
            knows log(sigma / 2).
        sigma: noise levels, positive.
        data_std: standard deviation of the samples; of "edm" alone.

    Raises:
        ValueError: there is no such preconditioning.
    """
    if name == "edm":
        total = sigma.square() + data_std**2
        return Coefficients(data_std**2 / total, sigma * data_std * total.rsqrt(), total.rsqrt(), sigma.log() / 4)
    if name == "vp":
        return Coefficients(torch.ones_like(sigma), -sigma, (sigma.square() + 1).rsqrt(), 999 * _vp_time(sigma))
    if name == "ve":
        return Coefficients(torch.ones_like(sigma), sigma, torch.ones_like(sigma), (sigma / 2).log())
    raise ValueError(f"precondition must be edm, vp or ve, not {name!r}")


def _vp_time(sigma: Tensor, beta_min: float = 0.1, beta_range: float = 19.9) -> Tensor:
    """Return the time at which sigma / alpha of the variance preserving SDE has a value."""
    return ((beta_min**2 + 2 * beta_range * torch.log1p(sigma.square())).sqrt() - beta_min) / beta_range
