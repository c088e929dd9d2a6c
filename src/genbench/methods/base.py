"""The interface of every method; further abilities are protocols, see `abilities`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self

import torch
from lightning import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import ParallelStrategy
from torch import Tensor, nn
from torch.optim import Optimizer

from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.errors import UserError
from genbench.logs.loggers import log_figures
from genbench.medium import Medium
from genbench.methods.averaging import AveragedNetwork
from genbench.methods.learning_rates import CONSTANT, Schedule
from genbench.methods.optimisation import (
    Loss,
    MakeOptimizer,
    MeanFigures,
    Optimised,
    clip_gradients,
    frozen,
    set_rates,
)
from genbench.methods.sharding import gathered, shard
from genbench.parts import follow, frozen_in, is_frozen
from genbench.randomness import Noise


class Method(LightningModule, ABC):
    """A method that can be trained.

    A method declares in `__init__` each network that it trains, by `optimise`. Its `training_step` takes a step of each
    by `take_step`, in the order of the paper's algorithm, and returns `finish_step()`. A step is one call of
    `training_step`, one batch; `self.step` counts the finished ones. The network that is declared first takes exactly
    one step per batch, so that logging, checkpoints, schedules and stopping count batches.

    Args:
        schedule: of the learning rates of all optimizers.
        clip: largest norm of each network's gradient; 0 for no clipping.
        ema_decay: decay of averaged weights, see `AveragedNetwork`.
        ema_warmup: whether that decay grows at first.
        ema_start: updates of a network before its averaging begins; until then the average is a copy.
        ema_every: updates of a network from one update of its average to the next.

    Raises:
        ValueError: an argument is out of range.
    """

    calls_inside = False
    """Whether it calls parts of a network by themselves, so that the network can't be divided among processes."""

    def __init__(
        self,
        *,
        schedule: Schedule = CONSTANT,
        clip: float = 0.0,
        ema_decay: float = 0.999,
        ema_warmup: bool = True,
        ema_start: int = 0,
        ema_every: int = 1,
    ) -> None:
        super().__init__()
        if not isinstance(schedule, Schedule):
            raise ValueError(f"schedule must be a learning-rate schedule, as of schedule=cosine, not {schedule!r}")
        if clip < 0:
            raise ValueError(f"clip must be at least 0, not {clip}")
        self.automatic_optimization = False
        self.schedule = schedule
        self.clip = clip
        self.parts = 1
        """Parts in which a batch goes through the networks, see `accumulate`."""
        self.measures = True
        """Whether the further figures of the current loss will be logged, so that they are computed only then."""
        self._ema = {"decay": ema_decay, "warmup": ema_warmup, "start": ema_start, "every": ema_every}
        self._optimised: dict[str, Optimised] = {}
        self._figures: dict[str, dict[str, Tensor]] = {}
        self._index = 0
        self._logs = self._is_sharded = False

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute.

        A part is none of this method's modules: it is neither trained nor averaged, and no checkpoint repeats it.
        `_current_fx_name`, which Lightning sets some fifty times a step, takes a fast path.
        """
        if name == "_current_fx_name" or is_frozen(value):
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def adapted(self, name: str, value: Tensor, shape: torch.Size) -> Tensor | None:
        """Return a tensor of another run in the shape of this method's own, to begin with; None where it has no use.

        Args:
            name: of the tensor, in both state dictionaries.
            value: the other run's, of another shape.
            shape: of this method's.
        """
        return None

    def averaged(self, network: nn.Module) -> AveragedNetwork:
        """Return a moving average of a network's weights with this method's settings, to be kept as an attribute."""
        return AveragedNetwork(network, **self._ema)  # type: ignore[arg-type]

    def optimise(
        self,
        name: str,
        network: nn.Module,
        make_optimizer: MakeOptimizer,
        *,
        average: AveragedNetwork | None = None,
        loss: str | None = None,
    ) -> None:
        """Declare a network that `take_step` trains; the optimizers are made, and saved, in the order of declaration.

        Args:
            name: of the network, in `take_step` and among the figures, `gradient/<name>`.
            network: whose parameters are optimised; no two networks have parameters in common.
            make_optimizer: maps parameters to an optimizer.
            average: follows the network; made by `averaged`.
            loss: name of the loss among the figures, `loss/<loss>`; that of the network unless given.
        """
        self._optimised[name] = Optimised(len(self._optimised), network, make_optimizer, average, loss or name)

    def make_optimizer(self, name: str, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """Return an optimizer of parameters with the settings of that of a declared network."""
        return self._optimised[name].make_optimizer(parameters)

    def configure_model(self) -> None:
        """Divide the network and its average among processes, where the strategy does that.

        Raises:
            UserError: this method trains several networks.
        """
        if self.device_mesh is None or self._is_sharded:
            return
        if self.calls_inside and len(self._optimised) == 1:
            raise UserError(
                "trainer=fsdp divides a network that is called as a whole, and this method calls parts of its own by "
                "themselves: take trainer=ddp"
            )
        if len(self._optimised) != 1:
            raise UserError(
                f"trainer=fsdp divides one large network among the devices, and this method trains "
                f"{len(self._optimised) or 'it in its own way'}: take trainer=ddp"
            )
        (own,) = self._optimised.values()
        for network in (own.network, *([] if own.average is None else [own.average.module])):
            shard(network, self.device_mesh["data_parallel"])
        self._is_sharded = True

    def whole_averages(self) -> AbstractContextManager[None]:
        """Let this process draw from averages that are divided among processes; all must enter and leave together."""
        return gathered(*(average.module for _, average in self.averages)) if self._is_sharded else nullcontext()

    def configure_optimizers(self) -> Any:
        """Make the optimizers of the declared networks."""
        optimizers = [each.make_optimizer(each.network.parameters()) for each in self._optimised.values()]
        return optimizers[0] if len(optimizers) == 1 else optimizers

    def accumulate(self, parts: int) -> None:
        """Let each batch go through the networks in parts, whose gradients are added up to that of the whole.

        Raises:
            ValueError: this method's steps can't be divided.
        """
        if parts > 1 and not self._optimised:
            raise ValueError("this method takes its own optimizer steps, which can't be divided: set data.batch_size=N")
        self.parts = parts

    def on_fit_start(self) -> None:
        """Refuse to train beyond the learning-rate schedule, where the rate is zero.

        Raises:
            UserError: the training is longer than the schedule.
        """
        most = self.schedule.steps_above_zero
        if most is not None and self.trainer.max_steps > most:
            raise UserError(
                f"steps={self.trainer.max_steps} goes beyond method.schedule.steps={most}, after which the learning "
                "rate is 0: begin a run with a longer schedule"
            )

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Remember at which step the trainer is: it counts on within `training_step`."""
        self._index = self.step
        self._logs = self.logs_at(self._index + 1)

    def take_step(
        self,
        name: str,
        loss_of: Callable[[Any], Loss],
        batch: Any,
        *,
        measure: bool = False,
        further: str | None = None,
        along: Sequence[str] = (),
    ) -> None:
        """Minimise a loss by one step of a network's optimizer, and update the network's average.

        The gradient is that of the whole batch, whether or not it is accumulated over parts of it; it is clipped.
        Other declared networks are frozen meanwhile: the generator's loss would otherwise add to the discriminator's
        gradients.

        Args:
            name: of the network.
            loss_of: returns the mean loss over a batch, and figures to log.
            batch: of this step.
            measure: whether the figures are computed also in steps that log none.
            further: name of the loss, of a step that is taken besides that of the network's main loss: it counts as no
                step of the trainer, and the average follows the main one alone.
            along: names of further networks that the same loss trains, each by its own optimizer. Their averages
                follow: this is their main loss.
        """
        optimised = self._optimised[name]
        optimizers = {name: self._optimizer(optimised.index, counts=further is None)}
        optimizers |= {each: self._optimizer(self._optimised[each].index, counts=True) for each in along}
        self.measures = measure or self._logs
        with frozen(each.network for other, each in self._optimised.items() if other not in optimizers):
            for optimizer in optimizers.values():
                set_rates(optimizer, self.schedule, self._index)
                optimizer.zero_grad()
            loss, figures = self._accumulate(loss_of, batch)
            for each, optimizer in optimizers.items():
                if self.clip or self.measures:
                    called = (further or name) if each == name else each
                    figures[f"gradient/{called}"] = clip_gradients(optimizer, self.clip, self.loss_scale)
                optimizer.step()
        for each in (*([name] if further is None else []), *along):
            own = self._optimised[each]
            if own.average is not None:
                own.average.update_parameters(own.network)
        self._figures[further or name] = {f"loss/{further or optimised.loss_name}": loss} | figures

    def finish_step(self) -> dict[str, Tensor]:
        """End a training step: log its figures, if they are due, and return its losses.

        Raises:
            RuntimeError: the network that was declared first has not taken exactly one step.
        """
        if self.step != self._index + 1:
            raise RuntimeError(f"a step must count once, but the trainer went from {self._index} to {self.step}")
        figures = {name: value for each in self._figures.values() for name, value in each.items()}
        if self._logs:
            self.log_figures({**figures, **self._rates()})
        return {name: value for name, value in figures.items() if name.startswith("loss/")}

    @property
    def averages(self) -> list[tuple[nn.Module, AveragedNetwork]]:
        """Each declared network that has a moving average, with it."""
        return [(each.network, each.average) for each in self._optimised.values() if each.average is not None]

    @property
    def built_on(self) -> dict[str, "Method"]:
        """The models that this one is built on, by their names."""
        return frozen_in(self)

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

    def log_figures(self, figures: Mapping[str, Tensor | float]) -> None:
        """Log figures of a step whose optimizers have just stepped, under the number of finished steps."""
        log_figures(self.trainer, figures)

    def _optimizer(self, index: int, *, counts: bool) -> LightningOptimizer:
        """Return an optimizer; only the first one's main steps count as the trainer's."""
        optimizers: Any = self.optimizers()
        optimizer: LightningOptimizer = optimizers[index] if isinstance(optimizers, list) else optimizers
        if index or not counts:
            # Lightning counts every optimizer's step (lightning #17958), through hooks that it sets for each batch.
            optimizer._on_before_step = optimizer._on_after_step = _do_nothing
        return optimizer

    def _rates(self) -> dict[str, float]:
        """Return the learning rates of this step, if the schedule changes them."""
        if self.schedule.is_constant:
            return {}
        optimizers = self.trainer.optimizers
        return {
            f"learning_rate/{name}": float(optimizers[each.index].param_groups[0]["lr"])
            for name, each in self._optimised.items()
        }

    def _accumulate(self, loss_of: Callable[[Any], Loss], batch: Any) -> Loss:
        """Add up the gradients of a loss over the parts of a batch; return its mean, and those of the figures."""
        if self.parts == 1:
            loss, figures = loss_of(batch)
            self.manual_backward(loss)
            return loss.detach(), {name: value.detach() for name, value in figures.items()}
        means = MeanFigures()
        parts = batch.split(self.parts)
        for number, part in enumerate(parts, start=1):
            fraction = len(part.x) / len(batch.x)
            with nullcontext() if number == len(parts) else self._unsynchronised():
                loss, figures = loss_of(part)
                self.manual_backward(fraction * loss)
            means.add({"": loss} | figures, fraction)
        figures = means.means()
        return figures.pop(""), figures

    def _unsynchronised(self) -> AbstractContextManager[Any]:
        """Keep gradients from being averaged over the processes, which is done with the last part alone."""
        strategy = self.trainer.strategy
        return strategy.block_backward_sync() if isinstance(strategy, ParallelStrategy) else nullcontext()


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


def _do_nothing() -> None:
    pass
