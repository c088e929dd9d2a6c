"""Looking at a training costs time, of which it may take a small part only."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning import Trainer

from genbench.errors import UserError
from genbench.loggers import seconds_of

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
        seconds: spent so far, over all sessions of the run.

    Raises:
        UserError: `share` is out of range.
    """

    def __init__(self, key: str, share: float) -> None:
        if not 0 < share <= 1:
            raise UserError(f"{key} must be above 0 and at most 1, not {share}")
        self.share = share
        self.seconds = 0.0
        self._last: float | None = None

    def allows(self, trainer: Trainer) -> bool:
        """Whether there is time for the next one; all processes of a run get the answer of the first."""
        elapsed = seconds_of(trainer)
        if self.share == 1 or elapsed is None:
            return True
        allowed = self._last is None or self.seconds + self._last <= self.share * elapsed + _FREE
        return bool(trainer.strategy.broadcast(allowed)) if trainer.world_size > 1 else allowed

    def is_unknown(self, trainer: Trainer) -> bool:
        """Whether nobody knows yet what the next one costs, and somebody should."""
        return self._last is None and self.share < 1 and seconds_of(trainer) is not None

    def expect(self, seconds: float) -> None:
        """Say what the first one will probably cost."""
        self._last = seconds

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Count the time of what is done within."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self._last = time.monotonic() - begun
            self.seconds += self._last

    def state_dict(self) -> dict[str, Any]:
        """Return what has been spent so far."""
        return {"seconds": self.seconds, "last": self._last}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what earlier sessions spent."""
        self.seconds, self._last = state_dict["seconds"], state_dict["last"]


def watching_seconds(trainer: Trainer) -> float:
    """Return the seconds that all callbacks of a run spent on pictures and scores, over all its sessions."""
    spacings = (getattr(callback, "spacing", None) for callback in trainer.callbacks)  # type: ignore[attr-defined]
    return sum(spacing.seconds for spacing in spacings if isinstance(spacing, Spacing))
