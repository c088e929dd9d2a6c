"""Learning-rate schedules: the factor of every learning rate, a pure function of the step.

A schedule has no state, so it is the same after a run is resumed, and a checkpoint holds nothing of it. Each begins
with an optional linear warm-up from zero (Goyal et al. 2017, section 2.2); what falls, falls from its end on.
"""

import math
from abc import ABC, abstractmethod


class Schedule(ABC):
    """The factor of all learning rates at a step: `schedule(step)` of the steps 0, 1, ... is a number in [0, 1].

    Args:
        warmup_steps: steps of the warm-up, in which the factor is (step + 1) / warmup_steps.

    Raises:
        ValueError: `warmup_steps` is negative.
    """

    def __init__(self, warmup_steps: int = 0) -> None:
        if warmup_steps < 0:
            raise ValueError(f"warmup_steps must be at least 0, not {warmup_steps}")
        self.warmup_steps = warmup_steps

    def __call__(self, step: int) -> float:
        """Return the factor in the step of this index."""
        return (step + 1) / self.warmup_steps if step < self.warmup_steps else self.after_warmup(step)

    @abstractmethod
    def after_warmup(self, step: int) -> float:
        """Return the factor in a step of this index, which is `warmup_steps` or later."""

    def rate(self, step: int, full: float) -> float:
        """Return the learning rate in the step of this index, of an optimizer whose full rate is `full`."""
        return full * self(step)

    @property
    def is_constant(self) -> bool:
        """Whether the factor is 1 at every step."""
        return False

    @property
    def steps_above_zero(self) -> int | None:
        """How many steps the schedule has, after which the rate is 0; None if it never is."""
        return None


class Constant(Schedule):
    """The full rate, after the warm-up if there is one."""

    def after_warmup(self, step: int) -> float:
        """Return 1."""
        return 1.0

    @property
    def is_constant(self) -> bool:
        """Whether there is no warm-up."""
        return self.warmup_steps == 0


class Cosine(Schedule):
    """Half a period of a cosine, from 1 to `final` (Loshchilov and Hutter 2017, equation 5, without restarts).

    Args:
        steps: where it ends; `final` is the factor from this step on.
        final: the last factor, in [0, 1].
        warmup_steps: see `Schedule`.
        final_rate: the last learning rate itself, the same for all optimizers, in place of `final`.

    Raises:
        ValueError: an argument is out of range, or the warm-up takes all steps.
    """

    def __init__(self, steps: int, final: float = 0.0, warmup_steps: int = 0, final_rate: float | None = None) -> None:
        super().__init__(warmup_steps)
        _check_length(steps, warmup_steps)
        if not 0 <= final <= 1:
            raise ValueError(f"final must be in [0, 1], not {final}")
        if final_rate is not None and (final_rate < 0 or final):
            raise ValueError(f"final_rate must be at least 0, without final, not {final_rate} with final={final}")
        self.steps = steps
        self.final = final
        self.final_rate = final_rate

    def rate(self, step: int, full: float) -> float:
        """Return the learning rate in the step of this index, of an optimizer whose full rate is `full`."""
        floor = self.final_rate if self.final_rate and step >= self.warmup_steps else 0.0
        return floor + (full - floor) * self(step)

    def after_warmup(self, step: int) -> float:
        """Return final + (1 - final) (1 + cos(pi p)) / 2, where p is the part of the steps after the warm-up."""
        progress = min(1.0, (step - self.warmup_steps) / (self.steps - self.warmup_steps))
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * progress)) / 2

    @property
    def steps_above_zero(self) -> int | None:
        """Its `steps`, if it ends at 0."""
        return None if self.final or self.final_rate else self.steps


class LinearDecay(Schedule):
    """The full rate, then a line that would reach 0 after the last step (Zhu et al. 2017, section 4).

    Args:
        steps: of the whole schedule.
        constant_steps: those of the full rate, the warm-up among them.
        warmup_steps: see `Schedule`.

    Raises:
        ValueError: an argument is out of range, or the warm-up or the full rate takes more than all steps.
    """

    def __init__(self, steps: int, constant_steps: int = 0, warmup_steps: int = 0) -> None:
        super().__init__(warmup_steps)
        _check_length(steps, warmup_steps)
        if not 0 <= constant_steps <= steps:
            raise ValueError(f"constant_steps must be from 0 to steps={steps}, not {constant_steps}")
        self.steps = steps
        self.constant_steps = constant_steps

    def after_warmup(self, step: int) -> float:
        """Return 1, or 1 - k / (n + 1) in the k-th of the n steps in which it falls."""
        first = max(self.constant_steps, self.warmup_steps)
        return 1.0 if step < first else max(0.0, 1 - (step - first + 1) / (self.steps - first + 1))

    @property
    def steps_above_zero(self) -> int:
        """Its `steps`."""
        return self.steps


class StepDecay(Schedule):
    """Multiply the rate by gamma at regular intervals.

    Args:
        every: steps between two decays.
        gamma: factor of each decay, in (0, 1].
        warmup_steps: see `Schedule`.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(self, every: int, gamma: float = 0.1, warmup_steps: int = 0) -> None:
        super().__init__(warmup_steps)
        if every < 1:
            raise ValueError(f"every must be at least 1, not {every}")
        if not 0 < gamma <= 1:
            raise ValueError(f"gamma must be in (0, 1], not {gamma}")
        self.every = every
        self.gamma = gamma

    def after_warmup(self, step: int) -> float:
        """Return gamma to the power of the intervals that have passed."""
        return float(self.gamma ** ((step - self.warmup_steps) // self.every))


CONSTANT = Constant()
"""The full rate from the first step on."""


def _check_length(steps: int, warmup_steps: int) -> None:
    if steps < 1 or warmup_steps >= steps:
        raise ValueError(
            f"schedule.steps must be at least 1 and more than schedule.warmup_steps={warmup_steps}, not {steps}"
        )
