"""Looking at a training costs time, of which it may take a small part only."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning import Trainer

from genbench.errors import UserError
from genbench.logs.loggers import seconds_of
from genbench.wording import duration

_FREE = 2.0
"""Seconds that are not counted: what is drawn in no time need not wait for a run to have lasted long enough."""


class Spacing:
    """Leave out what would take more than a part of a run's time, by what it took the last time.

    The first of its kind is never left out unless `expect` has said what it costs. What is left out changes nothing of
    what is trained, since each step draws from random numbers of its own.

    Args:
        key: of the setting, for messages.
        share: largest part of the time since the run began, in (0, 1]; 1 for no limit.

    Attributes:
        seconds: spent on the way so far, over all sessions of the run.
        at_end: spent at the last step, where nothing is left out.

    Raises:
        UserError: `share` is out of range.
    """

    def __init__(self, key: str, share: float) -> None:
        if not 0 < share <= 1:
            raise UserError(f"{key} must be above 0 and at most 1, not {share}")
        self.share = share
        self.seconds = self.at_end = 0.0
        self.last: float | None = None
        """What the last one took; None before the first."""

    def allows(self, trainer: Trainer) -> bool:
        """Whether there is time for the next one, by this process's clock: who draws together must agree on one."""
        elapsed = seconds_of(trainer)
        if self.share == 1 or elapsed is None:
            return True
        return self.last is None or self.seconds + self.last <= self.share * elapsed + _FREE

    def is_unknown(self, trainer: Trainer) -> bool:
        """Whether nobody knows yet what the next one costs, and somebody should."""
        return self.last is None and self.share < 1 and seconds_of(trainer) is not None

    def expect(self, seconds: float) -> None:
        """Say what the first one will probably cost."""
        self.last = seconds

    @contextmanager
    def measured(self, trainer: Trainer) -> Iterator[None]:
        """Count the time of what is done within."""
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
        """Return what has been spent so far."""
        return {"seconds": self.seconds, "last": self.last}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what earlier sessions spent."""
        self.seconds, self.last = state_dict["seconds"], state_dict["last"]


def what_it_took(trainer: Trainer, total: float) -> str:
    """Say what all pictures and scores of a run took of its `total` seconds, over all its sessions."""
    found = (getattr(callback, "spacing", None) for callback in trainer.callbacks)  # type: ignore[attr-defined]
    spacings = [spacing for spacing in found if isinstance(spacing, Spacing)]
    seconds, at_end = (sum(getattr(spacing, name) for spacing in spacings) for name in ("seconds", "at_end"))
    return (
        f"pictures and scores took {duration(seconds)} of that on the way ({seconds / max(total, 1e-9):.0%}) and "
        f"{duration(at_end)} at the end"
    )
