"""Base of callbacks that draw pictures: a failed picture never ends the training."""

import sys
from abc import abstractmethod
from typing import Any

from lightning import Callback, Trainer

from genbench.abilities import Draws
from genbench.callbacks.spacing import Spacing
from genbench.errors import TrainingError, first_line


def draws(method: Any) -> bool:
    """Whether a method draws samples."""
    return isinstance(method, Draws)


class Pictures(Callback):
    """Draw pictures in the first process; if that fails, warn once and continue training.

    Args:
        name: of the callback in the configuration.
        max_fraction: largest fraction of the run's time that it may take, see `Spacing`.
    """

    def __init__(self, name: str, max_fraction: float = 1.0) -> None:
        self.spacing = Spacing(f"callbacks.{name}.max_fraction", max_fraction)
        self._name = name
        self._failed = False

    @abstractmethod
    def draw(self, trainer: Trainer, method: Any) -> None:
        """Draw and write pictures of the step that has just finished."""

    def try_to_draw(self, trainer: Trainer, method: Any) -> None:
        """Draw in the first process, if the method draws samples; warn about the first failure only.

        All processes must call this together.

        Raises:
            TrainingError: the method has diverged, which is not a failure of the picture.
        """
        if not draws(method):
            return
        with method.whole_averages():
            if trainer.is_global_zero:
                self._draw(trainer, method)

    def _draw(self, trainer: Trainer, method: Any) -> None:
        try:
            with self.spacing.measured(trainer):
                self.draw(trainer, method)
        except TrainingError:
            raise
        except Exception as error:  # whatever a method, a library or a disk raises
            if not self._failed:
                print(
                    f"genbench: warning: callbacks.{self._name} could draw no picture at step {trainer.global_step} "
                    f"({first_line(error)}); the training goes on without",
                    file=sys.stderr,
                    flush=True,
                )
            self._failed = True

    def state_dict(self) -> dict[str, Any]:
        """Return the time spent so far."""
        return self.spacing.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the time spent in earlier sessions."""
        self.spacing.load_state_dict(state_dict)
