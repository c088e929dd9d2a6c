"""Sampling of training times, and the weights of their losses.

    E_t L_t = E_{t ~ p} L_t / (T p_t)

so times may be drawn from any distribution p, if losses are weighted by 1 / (T p_t). `BalancedSteps` alone has weights
that change what is minimised.
"""

import torch
from torch import Tensor, nn

from genbench.diffusion.processes import DiscreteProcess, Process

_INTERVALS = 50
_KEPT = 0.95

_HISTORY = 10
_UNIFORM_FRACTION = 0.001


class EvenSteps(nn.Module):
    """Steps t = 1 ... T of a chain, drawn uniformly, as times t / T.

    Args:
        steps: T.
    """

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def draw(self, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return times (count,) and their weights (count,): ones."""
        t = torch.randint(1, self.steps + 1, (count,), device=device) / self.steps
        return t, torch.ones_like(t)


class BalancedSteps(EvenSteps):
    """Steps drawn uniformly, whose losses are divided by their running means, so that all times count alike.

    The optimal weights of many tasks trained at once, each with an unknown noise of its own (Karras et al. 2024,
    https://arxiv.org/abs/2312.02696, section 2.2, who fit the means by a small network). The means are of intervals of
    a fiftieth of all steps, and buffers, so they are saved in checkpoints.

    Args:
        steps: T.
    """

    means: Tensor
    seen: Tensor

    def __init__(self, steps: int) -> None:
        super().__init__(steps)
        self.register_buffer("means", torch.ones(_INTERVALS))
        self.register_buffer("seen", torch.zeros(_INTERVALS, dtype=torch.bool))

    def draw(self, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return times (count,) and their weights (count,), of a mean of about that of all losses."""
        t, ones = super().draw(count, device)
        average = (self.means * self.seen).sum() / self.seen.sum().clamp_min(1)
        of_interval = torch.where(self.seen, self.means, average)[self._interval(t)]
        return t, torch.where(self.seen.any(), average / of_interval, ones)

    def observe(self, t: Tensor, losses: Tensor) -> None:
        """Let the losses (B,) at times (B,) enter the means."""
        interval = self._interval(t)
        counts = torch.bincount(interval, minlength=_INTERVALS)
        latest = torch.zeros_like(self.means).index_add_(0, interval, losses.float()) / counts.clamp_min(1)
        mean = torch.where(self.seen, _KEPT * self.means + (1 - _KEPT) * latest, latest)
        self.means.copy_(torch.where(counts > 0, mean, self.means))
        self.seen |= counts > 0

    def _interval(self, t: Tensor) -> Tensor:
        return _index(t, self.steps) * _INTERVALS // self.steps


class ContinuousSteps(nn.Module):
    """Noise levels between the steps of a chain: a step is drawn uniformly, and alpha between its own and the last's.

    WaveGrad's (Chen et al. 2021, https://arxiv.org/abs/2009.00713, algorithm 1) and SR3's, whose networks are given
    alpha, so that a sampler's steps need not be the chain's.

    Args:
        process: the chain.
    """

    def __init__(self, process: DiscreteProcess) -> None:
        super().__init__()
        self.process = process

    def draw(self, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return times (count,) and their weights (count,): ones."""
        steps = self.process.steps
        before = torch.randint(steps, (count,), device=device).double()
        ends = self.process.alpha(before / steps), self.process.alpha((before + 1) / steps)
        # Never the end itself, at which an image may have no noise at all.
        alpha = ends[1] + torch.rand(count, device=device).double() * (ends[0] - ends[1])
        # Within a step log alpha is linear in t.
        t = ((before + (alpha / ends[0]).log() / (ends[1] / ends[0]).log()) / steps).float()
        return t, torch.ones_like(t)


class EvenTimes(nn.Module):
    """Times drawn uniformly from [first, 1].

    Args:
        first: the earliest, positive: at 0 the score of an image is infinite (Song et al. 2021, appendix C).
    """

    def __init__(self, first: float) -> None:
        super().__init__()
        self.first = first

    def draw(self, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return times (count,) and their weights (count,): ones."""
        t = self.first + (1 - self.first) * torch.rand(count, device=device)
        return t, torch.ones_like(t)


class EvenLevels(nn.Module):
    """The discrete noise levels of NCSN, drawn uniformly: times i / (levels - 1) for i = 0 ... levels - 1.

    Args:
        levels: how many.

    Raises:
        ValueError: there are fewer than two.
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        if levels < 2:
            raise ValueError(f"levels must be at least 2, not {levels}")
        self.levels = levels

    def draw(self, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return times (count,) and their weights (count,): ones."""
        t = torch.randint(self.levels, (count,), device=device) / (self.levels - 1)
        return t, torch.ones_like(t)


class LogNormalLevels(nn.Module):
    """Noise levels sigma / alpha drawn from a log-normal distribution (Karras et al. 2022, table 1).

    Args:
        process: whose times have these noise levels.
        mean: of log(sigma / alpha).
        std: its standard deviation.

    Raises:
        ValueError: `std` is not positive.
    """

    def __init__(self, process: Process, mean: float, std: float) -> None:
        super().__init__()
        if std <= 0:
            raise ValueError(f"the standard deviation of log sigma must be positive, not {std}")
        self.process, self.mean, self.std = process, mean, std

    def draw(self, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return times (count,) and their weights (count,): ones."""
        t = self.process.time_of(-2 * (self.mean + self.std * torch.randn(count, device=device)))
        return t, torch.ones_like(t)


class ImportanceSteps(nn.Module):
    """Steps of a chain drawn with p_t ~ sqrt(E[L_t^2]), which reduces the variance of the bound's gradient.

    Nichol and Dhariwal 2021, section 3.3: the ten latest losses of each step are kept; until all steps have ten, steps
    are drawn uniformly. A thousandth of the draws stays uniform, so that every step keeps being drawn. The losses are
    buffers, so they are saved in checkpoints.

    Args:
        steps: T.
    """

    losses: Tensor
    counts: Tensor

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.register_buffer("losses", torch.zeros(steps, _HISTORY))
        self.register_buffer("counts", torch.zeros(steps, dtype=torch.long))

    def probabilities(self) -> Tensor:
        """Return p_t (T,) of the steps."""
        uniform = torch.full((self.steps,), 1 / self.steps, device=self.losses.device)
        if (self.counts < _HISTORY).any():
            return uniform
        root = self.losses.square().mean(1).sqrt()
        return (1 - _UNIFORM_FRACTION) * root / root.sum() + _UNIFORM_FRACTION * uniform

    def draw(self, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return times (count,) and their weights 1 / (T p_t) (count,)."""
        probabilities = self.probabilities()
        index = torch.multinomial(probabilities, count, replacement=True)
        return ((index + 1) / self.steps).to(device), (1 / (self.steps * probabilities[index])).to(device)

    def observe(self, t: Tensor, losses: Tensor) -> None:
        """Store the losses (B,) at times (B,)."""
        index, order = _index(t, self.steps).sort(stable=True)
        # A step may occur several times in a batch: each loss gets its own slot, without a loop that would sync a GPU.
        place = torch.arange(len(index), device=index.device) - torch.searchsorted(index, index)
        self.losses[index, (self.counts[index] + place) % _HISTORY] = losses[order]
        self.counts += torch.bincount(index, minlength=self.steps)


Observing = BalancedSteps | ImportanceSteps
"""Those whose weights depend on the losses that they `observe`."""

Times = EvenSteps | ContinuousSteps | EvenTimes | EvenLevels | LogNormalLevels | Observing


def _index(t: Tensor, steps: int) -> Tensor:
    """Return the places, from 0, of the steps t * T in a chain."""
    return (t * steps).round().long() - 1
