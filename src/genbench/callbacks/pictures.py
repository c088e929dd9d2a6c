"""What all callbacks have in common that draw pictures: no picture is worth a training."""

import sys
from abc import abstractmethod
from typing import Any

from lightning import Callback, Trainer

from genbench.abilities import Draws
from genbench.callbacks.spacing import Spacing
from genbench.errors import TrainingError, first_line


class Pictures(Callback):
    """Draw pictures in the first process; if that fails, say so once and let the training go on.

    Args:
        name: of the callback in the configuration.
        share: largest part of the run's time that it may take, see `Spacing`.
    """

    def __init__(self, name: str, share: float = 1.0) -> None:
        self.spacing = Spacing(f"callbacks.{name}.share", share)
        self._name = name
        self._failed = False

    @abstractmethod
    def draw(self, trainer: Trainer, method: Any) -> None:
        """Draw and write what the step that has just finished shows."""

    def try_to_draw(self, trainer: Trainer, method: Any) -> None:
        """Draw, if it is of a method that draws; what fails is said once.

        Raises:
            TrainingError: the method has diverged, which is no fault of the picture.
        """
        if not isinstance(method, Draws):
            return
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
        """Return the time that was spent."""
        return self.spacing.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the time that earlier sessions spent."""
        self.spacing.load_state_dict(state_dict)
