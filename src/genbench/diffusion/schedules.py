"""Noise schedules: variances beta_t of a discrete chain, and the quantities that follow from them.

    q(x_t | x_{t-1}) = N(sqrt(1 - beta_t) x_{t-1}, beta_t I)                          (Ho et al. 2020, equation 2)
    q(x_t | x_0)     = N(sqrt(alpha_bar_t) x_0, (1 - alpha_bar_t) I)                  (equation 4)

Steps are counted t = 1 ... T in the papers; index i = t - 1 here.

Example:
    >>> alpha_bar(make_betas("linear", 1000))[-1]  # almost no signal is left
    tensor(4.0358e-05, dtype=torch.float64)
"""

import math
from typing import Literal

import torch
from torch import Tensor

ScheduleName = Literal["linear", "quadratic", "cosine", "sigmoid", "vp", "vp_truncated"]


def make_betas(name: ScheduleName, steps: int, first: float = 1e-4, last: float = 0.02) -> Tensor:
    """Return the variances (T,) of a schedule, float64.

    - "linear": evenly from `first` to `last` (Ho et al. 2020, section 4).
    - "quadratic": the square roots evenly.
    - "sigmoid": along a sigmoid evaluated from -6 to 6.
    - "cosine": alpha_bar_t = f(t) / f(0), f(t) = cos^2((t / T + s) / (1 + s) pi / 2) with s = 0.008, beta_t at most
      0.999 (Nichol and Dhariwal 2021, equation 17); does not use `first` and `last`.
    - "vp": alpha_bar_t = exp(-(20 - 0.1) / 2 (t / T)^2 - 0.1 t / T), a variance preserving SDE discretised in T steps,
      where T may be as small as 4 (Xiao et al. 2022, appendix B); does not use `first` and `last`.
    - "vp_truncated": the same from time 0.001 on instead of 0, as in the code of Xiao et al.: beta_t is that of the SDE
      from 0.001 + 0.999 (t - 1) / T to 0.001 + 0.999 t / T.

    `first` and `last` refer to 1,000 steps. They are scaled by 1000 / T, so that as little signal is left for any T.

    Raises:
        ValueError: there is no such schedule, or a variance would leave (0, 1).
    """
    if steps < 1:
        raise ValueError(f"a schedule has at least 1 step, not {steps}")
    if name == "cosine":
        time = torch.arange(steps + 1, dtype=torch.float64) / steps
        f = ((time + 0.008) / 1.008 * math.pi / 2).cos().square()
        return (1 - f[1:] / f[:-1]).clamp(max=0.999)
    if name in ("vp", "vp_truncated"):
        begin = 0.001 if name == "vp_truncated" else 0.0
        time = begin + (1 - begin) * torch.arange(steps + 1, dtype=torch.float64) / steps
        return -torch.expm1((-(20 - 0.1) / 2 * time.square() - 0.1 * time).diff())
    if name not in ("linear", "quadratic", "sigmoid"):
        raise ValueError(f"schedule must be linear, quadratic, cosine, sigmoid, vp or vp_truncated, not {name!r}")
    scale = 1000 / steps
    start, end = first * scale, last * scale
    if not 0 < start <= end < 1:
        raise ValueError(
            f"{steps} steps of the {name} schedule would have variances from {start:.3g} to {end:.3g}, which must be "
            "in (0, 1): take more steps, or the cosine schedule"
        )
    if name == "linear":
        return torch.linspace(start, end, steps, dtype=torch.float64)
    if name == "quadratic":
        return torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64).square()
    return torch.linspace(-6, 6, steps, dtype=torch.float64).sigmoid() * (end - start) + start


def alpha_bar(betas: Tensor) -> Tensor:
    """Return alpha_bar_t = prod_s (1 - beta_s), (T,): the fraction of the image's variance that is left."""
    return (1 - betas).cumprod(0)


def posterior(betas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the coefficients of q(x_{t-1} | x_t, x_0) = N(a_t x_0 + b_t x_t, c_t I) (Ho et al. 2020, equations 6, 7).

    Returns:
        a, b and c, (T,) each; c_1 is 0, since x_0 is known.
    """
    now = alpha_bar(betas)
    before = torch.cat([torch.ones_like(now[:1]), now[:-1]])
    a = before.sqrt() * betas / (1 - now)
    b = (1 - betas).sqrt() * (1 - before) / (1 - now)
    c = betas * (1 - before) / (1 - now)
    return a, b, c
