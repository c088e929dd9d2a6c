"""Forward processes: how x_0 becomes noise, x_t = alpha(t) x_0 + sigma(t) eps, over t in [0, 1].

A process is given by its marginals, from which the rest follows (Karras et al. 2022, appendix B): its SDE is
dx = f(t) x dt + g(t) dw with f = d log alpha / dt and g^2 = d sigma^2 / dt - 2 f sigma^2.

Example:
    >>> process = VariancePreserving()
    >>> process.alpha(torch.tensor(1.0))
    tensor(0.0066)
"""

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor

from genbench.diffusion.schedules import ScheduleName, alpha_bar, make_betas

Spacing = Literal["uniform", "leading", "leading_second", "quadratic", "log_snr", "karras", "glide_fast27"]

_FAST = (10, 10, 3, 2, 2)
"""Steps in each fifth of a chain, from the image on, of the spacing "glide_fast27"."""

_RHO = 7


class Process(ABC):
    """A forward process. Times t in [0, 1] may have any shape, and all results have that shape.

    Attributes:
        first: the earliest time that samplers reach; before it the score is too steep to be learnt.
    """

    first: float = 1e-3

    @abstractmethod
    def alpha(self, t: Tensor) -> Tensor:
        """Coefficient of the image."""

    @abstractmethod
    def sigma(self, t: Tensor) -> Tensor:
        """Standard deviation of the noise."""

    @abstractmethod
    def f(self, t: Tensor) -> Tensor:
        """Coefficient of x in the drift."""

    @abstractmethod
    def g_squared(self, t: Tensor) -> Tensor:
        """Square of the diffusion coefficient g(t)."""

    def log_snr(self, t: Tensor) -> Tensor:
        """Logarithm of the signal-to-noise ratio alpha^2 / sigma^2."""
        return 2 * (self.alpha(t).log() - self.sigma(t).log())

    def diffuse(self, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """Return x_t of images (B, ...) at times (B,) with noise (B, ...)."""
        alpha, sigma = self.coefficients(x_0, t)
        return alpha * x_0 + sigma * eps

    def coefficients(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return alpha and sigma at times (B,), each in a shape that broadcasts to images x (B, ...)."""
        shape = (-1, *[1] * (x.ndim - 1))
        return self.alpha(t).view(shape), self.sigma(t).view(shape)

    def discretised(self, t: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Return a and v of the chain x' = a x + sqrt(v) z that approximates the SDE in `steps` steps, at times t.

        By Euler and Maruyama, unless a process has a chain of its own (Song et al. 2021, appendix E).

        Raises:
            ValueError: there are too few steps.
        """
        return 1 + self.f(t) / steps, self.g_squared(t) / steps

    def times(self, steps: int, spacing: Spacing = "uniform") -> Tensor:
        """Return the times (steps,), float64, from 1 down to `first`, at which a sampler calls its denoiser.

        Args:
            steps: how many.
            spacing: where the times are evenly spaced: "uniform", in t; "quadratic", in sqrt(t), finer near the image
                (Song et al. 2020, appendix D.2); "log_snr", in log alpha / sigma (Lu et al. 2022); "karras", in the
                seventh root of sigma / alpha (Karras et al. 2022, equation 5); or "leading", "leading_second" or
                "glide_fast27", of a chain alone.

        Raises:
            ValueError: there is no such spacing, or fewer than one step.
        """
        if steps < 1:
            raise ValueError(f"steps must be at least 1, not {steps}")
        ends = torch.tensor([1.0, self.first], dtype=torch.float64)
        fraction = (
            torch.linspace(0, 1, steps, dtype=torch.float64) if steps > 1 else torch.zeros(1, dtype=torch.float64)
        )
        if spacing == "uniform":
            return ends[0] + fraction * (ends[1] - ends[0])
        if spacing == "quadratic":
            return (1 + fraction * (ends[1].sqrt() - 1)).square()
        half_log_snr = self.log_snr(ends) / 2
        if spacing == "log_snr":
            wanted = half_log_snr[0] + fraction * (half_log_snr[1] - half_log_snr[0])
        elif spacing == "karras":
            roots = (-half_log_snr / _RHO).exp()
            wanted = -_RHO * (roots[0] + fraction * (roots[1] - roots[0])).log()
        else:
            known = (
                "uniform, quadratic, log_snr or karras, or leading, leading_second or glide_fast27 of a chain of steps"
            )
            raise ValueError(f"spacing must be {known}, not {spacing!r}")
        return self.time_of(2 * wanted)

    def time_of(self, log_snr: Tensor) -> Tensor:
        """Return the times in [`first`, 1] with a given log signal-to-noise ratio, which falls with t."""
        low, high = torch.full_like(log_snr, self.first), torch.ones_like(log_snr)
        # Bisection: sixty halvings reach double precision.
        for _ in range(60):
            middle = (low + high) / 2
            earlier = self.log_snr(middle) > log_snr
            low, high = torch.where(earlier, middle, low), torch.where(earlier, high, middle)
        return (low + high) / 2

    def network_time(self, t: Tensor) -> Tensor:
        """Return what networks are given for times t: the same, unless the process says otherwise."""
        return t

    @property
    def prior_std(self) -> float:
        """Standard deviation of the noise that sampling begins with: that of x_1, whose signal is negligible."""
        return float(self.sigma(torch.ones((), dtype=torch.float64)))


class VariancePreserving(Process):
    """dx = -beta(t) / 2 x dt + sqrt(beta(t)) dw, beta linear from `beta_min` to `beta_max` (Song et al. 2021, B).

    Args:
        beta_min: at t = 0.
        beta_max: at t = 1.
    """

    def __init__(self, beta_min: float = 0.1, beta_max: float = 20.0) -> None:
        if not 0 <= beta_min <= beta_max or beta_max == 0:
            raise ValueError(
                f"beta_min={beta_min} and beta_max={beta_max} must be at least 0, in this order, not both 0"
            )
        self.beta_min = beta_min
        self.beta_max = beta_max

    def beta(self, t: Tensor) -> Tensor:
        """The noise rate."""
        return self.beta_min + t * (self.beta_max - self.beta_min)

    def log_alpha(self, t: Tensor) -> Tensor:
        """Minus half of the integral of beta."""
        return -(t.square() * (self.beta_max - self.beta_min) / 4 + t * self.beta_min / 2)

    def alpha(self, t: Tensor) -> Tensor:
        """Coefficient of the image."""
        return self.log_alpha(t).exp()

    def sigma(self, t: Tensor) -> Tensor:
        """Standard deviation of the noise: sqrt(1 - alpha^2)."""
        return (-torch.expm1(2 * self.log_alpha(t))).sqrt()

    def f(self, t: Tensor) -> Tensor:
        """-beta / 2."""
        return -self.beta(t) / 2

    def g_squared(self, t: Tensor) -> Tensor:
        """Beta."""
        return self.beta(t)

    def discretised(self, t: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Return sqrt(1 - beta_i) and beta_i of DDPM's chain, in which step i has the time i / (steps - 1).

        Raises:
            ValueError: there are too few steps.
        """
        if steps <= self.beta_max:
            raise ValueError(
                f"steps must be more than beta_max={self.beta_max}, not {steps}, for the chain of this SDE"
            )
        beta = self.beta(_step_at(t, steps)) / steps
        return (1 - beta).sqrt(), beta


class SubVariancePreserving(VariancePreserving):
    """The same drift with less noise: sigma = 1 - alpha^2 (Song et al. 2021, section 3.4); better likelihoods."""

    def sigma(self, t: Tensor) -> Tensor:
        """Standard deviation of the noise: 1 - alpha^2."""
        return -torch.expm1(2 * self.log_alpha(t))

    def g_squared(self, t: Tensor) -> Tensor:
        """The noise rate times 1 - alpha^4."""
        return self.beta(t) * -torch.expm1(4 * self.log_alpha(t))

    def discretised(self, t: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Return a and v of a step by Euler and Maruyama: this SDE has no chain of its own."""
        return Process.discretised(self, t, steps)


class VarianceExploding(Process):
    """dx = g(t) dw: the image keeps its scale, the noise grows from `sigma_min` to `sigma_max` (Song et al. 2021, B).

    Args:
        sigma_min: at t = 0.
        sigma_max: at t = 1; about the largest distance between two images.
    """

    first = 1e-5

    def __init__(self, sigma_min: float = 0.01, sigma_max: float = 50.0) -> None:
        if not 0 < sigma_min < sigma_max:
            raise ValueError(f"sigma_min={sigma_min} and sigma_max={sigma_max} must be positive and in this order")
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max

    def alpha(self, t: Tensor) -> Tensor:
        """One."""
        return torch.ones_like(t)

    def sigma(self, t: Tensor) -> Tensor:
        """Standard deviation of the noise, geometric in t."""
        return self.sigma_min * (self.sigma_max / self.sigma_min) ** t

    def f(self, t: Tensor) -> Tensor:
        """Zero."""
        return torch.zeros_like(t)

    def g_squared(self, t: Tensor) -> Tensor:
        """The derivative of sigma^2: 2 log(sigma_max / sigma_min) sigma^2."""
        return 2 * math.log(self.sigma_max / self.sigma_min) * self.sigma(t).square()

    def discretised(self, t: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Return 1 and sigma_i^2 - sigma_{i-1}^2 of NCSN's levels, of which level i has the time i / (steps - 1)."""
        now = _step_at(t, steps)
        before = now - 1 / max(1, steps - 1)
        # The first level is one step above the image itself.
        lower = torch.where(before < -1e-9, 0, self.sigma(before).square())
        return torch.ones_like(t), self.sigma(now).square() - lower


class DiscreteProcess(Process):
    """A chain of T steps (Ho et al. 2020), with log alpha_bar interpolated linearly between them.

    Step t = 1 ... T of the papers is time t / T here.

    Args:
        schedule: see `schedules.make_betas`.
        steps: T.
        first_index: of the first step as networks are given it: 0, as in Ho's code and all that follow it, whose
            checkpoints expect 0 ... T - 1; or 1, as in the papers.
        beta_start: first variance of a linear, quadratic or sigmoid schedule, as of 1,000 steps; None for 1e-4.
        beta_end: last variance, likewise; None for 0.02.

    Raises:
        ValueError: an argument is out of range, or the schedule has no use for it.
    """

    def __init__(
        self,
        schedule: ScheduleName = "linear",
        steps: int = 1000,
        first_index: Literal[0, 1] = 0,
        beta_start: float | None = None,
        beta_end: float | None = None,
    ) -> None:
        if first_index not in (0, 1):
            raise ValueError(f"first_index must be 0 or 1, not {first_index!r}")
        if schedule in ("cosine", "vp") and not beta_start is beta_end is None:
            raise ValueError(f"beta_start and beta_end have no effect on the {schedule} schedule: leave them null")
        ends = {"first": beta_start, "last": beta_end}
        self.betas = make_betas(schedule, steps, **{name: value for name, value in ends.items() if value is not None})
        self.steps = steps
        self.first_index = first_index
        self.first = 1 / steps
        # alpha_bar = 1 at t = 0.
        self._log_alpha_bar = torch.cat([torch.zeros(1, dtype=torch.float64), alpha_bar(self.betas).log()])

    @property
    def prior_std(self) -> float:
        """1, as a chain's prior is N(0, I), also where its last step leaves some of the image (Ho et al. 2020)."""
        return 1.0

    def alpha(self, t: Tensor) -> Tensor:
        """Square root of alpha_bar."""
        return (self._log_alpha(t)[0]).exp().to(t)

    def sigma(self, t: Tensor) -> Tensor:
        """Square root of 1 - alpha_bar."""
        return (-torch.expm1(2 * self._log_alpha(t)[0])).sqrt().to(t)

    def f(self, t: Tensor) -> Tensor:
        """Derivative of log alpha, which is constant within a step."""
        return self._log_alpha(t)[1].to(t)

    def g_squared(self, t: Tensor) -> Tensor:
        """-2 f, since the variance is preserved."""
        return -2 * self.f(t)

    def times(self, steps: int, spacing: Spacing = "uniform") -> Tensor:
        """Return the times of `Process.times`; uniform, leading and quadratic ones are steps of the chain.

        Leading ones are every T // `steps`-th step from the first on, as in DDIM's code and in diffusers, or from the
        second on, as in latent diffusion's code. Those of "glide_fast27" are 27, most of them near the image, as
        GLIDE's code chooses them for its upsampler.

        Raises:
            ValueError: as in `Process.times`, or there are more steps than the chain has, or others than 27.
        """
        if spacing == "glide_fast27":
            return self._fast_times(steps)
        if spacing not in ("uniform", "leading", "leading_second", "quadratic"):
            return super().times(steps, spacing)
        if steps > self.steps:
            raise ValueError(f"steps must be at most the {self.steps} of the process, not {steps}")
        if spacing.startswith("leading") and steps > 0:
            begin = 1 if spacing == "leading" else 2
            found = begin + torch.arange(steps, dtype=torch.float64) * (self.steps // steps)
            if found[-1] > self.steps:
                raise ValueError(f"spacing=leading_second takes fewer than the {self.steps} steps of the process")
            return found.flip(0) / self.steps
        wanted = (super().times(steps, spacing) * self.steps).round()
        # Quadratic spacing would repeat the chain's last steps after rounding.
        least = torch.arange(steps, 0, -1, dtype=torch.float64)
        return torch.maximum(wanted, least) / self.steps

    def _fast_times(self, steps: int) -> Tensor:
        """Return the times of fifths of the chain that have fewer and fewer steps, each from its first to its last."""
        if steps != sum(_FAST) or self.steps < 100:
            raise ValueError(f"spacing=glide_fast27 takes steps={sum(_FAST)}, of a process of at least 100 steps")
        size = self.steps // len(_FAST)
        found = [
            1 + fifth * size + round(number * (size - 1) / (count - 1))
            for fifth, count in enumerate(_FAST)
            for number in range(count)
        ]
        # The noisiest step but two stands for the noisiest, "to reduce DDIM artifacts".
        found[-1] = self.steps - 2
        return torch.tensor(found[::-1], dtype=torch.float64) / self.steps

    def network_time(self, t: Tensor) -> Tensor:
        """Return i / T for step i of the chain, counted from `first_index`; before its first, that of the first."""
        if self.first_index == 1:
            return t
        index = t.double() * self.steps - 1
        # Single precision is no exact step: of 4,000 it is off by up to 2e-4.
        nearest = index.round()
        index = torch.where((index - nearest).abs() < 1e-3, nearest, index)
        return (index.clamp_min(0) / self.steps).to(t)

    def _log_alpha(self, t: Tensor) -> tuple[Tensor, Tensor]:
        table = self._log_alpha_bar.to(t.device) / 2
        # Rounding must not move an exact step into its neighbour's interval.
        place = (t.double() * self.steps).clamp(0, self.steps)
        below = (place + 1e-6).floor().clamp(max=self.steps - 1).long()
        slope = table[below + 1] - table[below]
        return table[below] + (place - below) * slope, slope * self.steps


def _step_at(t: Tensor, steps: int) -> Tensor:
    """Return the times of the last of evenly spaced steps from 0 to 1 that are not after t."""
    last = max(1, steps - 1)
    # Rounding must not move an exact step before itself.
    return (t * last + 1e-6).floor() / last
