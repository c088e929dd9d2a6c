"""A limit on the fraction of a run's time that pictures and scores may take."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning import Trainer

from genbench.errors import UserError
from genbench.logs.loggers import seconds_of
from genbench.wording import duration

_FREE = 2.0
"""Seconds that are not counted, so that cheap pictures need not wait until a run has lasted long enough."""


class Spacing:
    """Skip pictures or scores that would exceed a fraction of a run's time, as estimated from the last one.

    The first is never skipped unless `expect` has estimated its cost. Skipping does not change the training, since each
    step has its own random numbers.

    Args:
        key: of the setting, for messages.
        max_fraction: largest fraction of the time since the run began, in (0, 1]; 1 for no limit.

    Attributes:
        seconds: spent before the last step so far, over all sessions of the run.
        at_end: spent at the last step, where nothing is skipped.

    Raises:
        UserError: `max_fraction` is out of range.
    """

    def __init__(self, key: str, max_fraction: float) -> None:
        if not 0 < max_fraction <= 1:
            raise UserError(f"{key} must be above 0 and at most 1, not {max_fraction}")
        self.max_fraction = max_fraction
        self.seconds = self.at_end = 0.0
        self.last: float | None = None
        """Seconds of the last one; None before the first."""

    def allows(self, trainer: Trainer) -> bool:
        """Whether there is time for the next one, by this process's clock; processes that draw together must agree."""
        elapsed = seconds_of(trainer)
        if self.max_fraction == 1 or elapsed is None:
            return True
        return self.last is None or self.seconds + self.last <= self.max_fraction * elapsed + _FREE

    def is_unknown(self, trainer: Trainer) -> bool:
        """Whether there is a limit but no estimate yet of the next one's cost."""
        return self.last is None and self.max_fraction < 1 and seconds_of(trainer) is not None

    def expect(self, seconds: float) -> None:
        """Set the estimated cost of the first one."""
        self.last = seconds

    @contextmanager
    def measured(self, trainer: Trainer) -> Iterator[None]:
        """Count the time spent in this context."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.last = time.monotonic() - begun
            if trainer.global_step == trainer.max_steps:
                self.at_end += self.last
            else:
                self.seconds += self.last

    def state_dict(self) -> dict[str, Any]:
        """Return the time spent so far."""
        return {"seconds": self.seconds, "last": self.last}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the time spent in earlier sessions."""
        self.seconds, self.last = state_dict["seconds"], state_dict["last"]


def what_it_took(trainer: Trainer, total: float) -> str:
    """Describe how many of a run's `total` seconds pictures and scores took, over all its sessions."""
    found = (getattr(callback, "spacing", None) for callback in trainer.callbacks)  # type: ignore[attr-defined]
    spacings = [spacing for spacing in found if isinstance(spacing, Spacing)]
    seconds, at_end = (sum(getattr(spacing, name) for spacing in spacings) for name in ("seconds", "at_end"))
    return (
        f"pictures and scores took {duration(seconds)} of that on the way ({seconds / max(total, 1e-9):.0%}) and "
        f"{duration(at_end)} at the end"
    )
