"""The interface of every method; further abilities are protocols, see `abilities`."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

from lightning import LightningModule
from torch import Tensor

from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.logs.loggers import log_figures
from genbench.medium import Medium
from genbench.parts import follow, is_frozen
from genbench.randomness import Noise


class Method(LightningModule, ABC):
    """A method that can be trained.

    A step is one call of `training_step`, one batch; `self.step` counts the finished ones. With manual optimisation
    exactly one optimizer step per batch must count (see `AdversarialMethod`), so that logging, checkpoints and stopping
    count batches.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute.

        A part is none of this method's modules: it is neither trained nor averaged, and no checkpoint repeats it.
        `_current_fx_name`, which Lightning sets some fifty times a step, takes a fast path.
        """
        if name == "_current_fx_name" or is_frozen(value):
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    @property
    def built_on(self) -> dict[str, "Method"]:
        """The models that this one is built on, by their names."""
        return {name: value for name, value in self.__dict__.items() if is_frozen(value)}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move or convert this method, and its parts to the same device."""
        super()._apply(fn, recurse)
        if self.built_on:
            follow(fn, self.built_on.values())
        return self

    @property
    def step(self) -> int:
        """Steps finished so far; within `training_step`, the index of the current one until an optimizer steps."""
        return self.trainer.global_step

    def logs_at(self, step: int) -> bool:
        """Whether figures are logged after `step` finished steps, so that costly ones are computed only then."""
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        return every > 0 and step % every == 0

    @property
    def loss_scale(self) -> float:
        """Factor by which gradients are scaled when they are measured or clipped: fp16 scales losses by 2^k."""
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        return 1.0 if scaler is None else float(scaler.get_scale())

    def log_figures(self, figures: dict[str, Tensor]) -> None:
        """Log figures of a step whose optimizers have just stepped, under the number of finished steps."""
        log_figures(self.trainer, figures)


class GenerativeMethod(Method):
    """A method that can be trained and sampled; grids, scores and reports use only `sample`."""

    medium: Medium
    """What a sample is."""

    condition: Condition | None = None
    """What `sample` is conditioned on; None for an unconditional method."""

    derives_condition = False
    """Whether `condition_of` derives the condition from the samples themselves, so that any data set will do."""

    @abstractmethod
    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return samples (count, *medium.shape), floating point, from the averaged weights.

        Args:
            count: how many.
            condition: `count` rows of `self.condition`; None for unconditional methods.
            noise: the only source of random numbers.
        """

    def condition_of(self, batch: Batch) -> Tensor | None:
        """Return the rows of this method's condition for a batch; None for an unconditional method."""
        return None if self.condition is None else batch.condition

    def check_condition(self, rows: Tensor | None, count: int) -> Tensor | None:
        """Return the requested rows of the condition, on this method's device.

        Raises:
            ValueError: they are missing, given to an unconditional method, or not valid for this method's condition.
        """
        if self.condition is None:
            if rows is not None:
                raise ValueError("this method is unconditional: it takes no condition")
            return None
        if rows is None:
            raise ValueError(f"this method is conditional: its {count} samples take as many conditions")
        return self.condition.check(rows, count).to(self.device)
