"""Two players taking turns: the manual optimisation that every adversarial method shares.

A method's own file states the two losses; this one moves the players.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer

from genbench.methods.averaging import AveragedNetwork
from genbench.methods.base import GenerativeMethod

Turn = tuple[Tensor, dict[str, Tensor]]
"""A loss to be minimised, and figures to be logged beside it."""


class AdversarialMethod(GenerativeMethod):
    """Alternate between a discriminator and a generator (Goodfellow et al. 2014, algorithm 1).

    The discriminator steps on every batch, the generator on every `discriminator_steps`-th, so each discriminator
    step sees fresh data. Only the discriminator's optimizer counts as a step of the trainer.

    Args:
        generator: the network whose average is sampled.
        discriminator: its opponent.
        generator_optimizer: maps parameters to an optimizer.
        discriminator_optimizer: maps parameters to an optimizer.
        discriminator_steps: k, the discriminator's steps to one of the generator; at least 1.
        ema_decay: weight of the past in the generator's average, see `AveragedNetwork`.

    Raises:
        ValueError: `discriminator_steps` or `ema_decay` is out of range.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        generator_optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        discriminator_optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        discriminator_steps: int = 1,
        ema_decay: float = 0.999,
    ) -> None:
        super().__init__()
        if discriminator_steps < 1:
            raise ValueError(f"discriminator_steps must be at least 1, not {discriminator_steps}")
        self.automatic_optimization = False
        self.generator = generator
        self.discriminator = discriminator
        self.average = AveragedNetwork(generator, ema_decay)
        self.discriminator_steps = discriminator_steps
        self.measures = True
        """Whether the figures beside the loss of this turn will be logged, so that they are computed only then."""
        self._make_optimizers = (discriminator_optimizer, generator_optimizer)
        self._figures: dict[str, Tensor] = {}

    @abstractmethod
    def discriminator_loss(self, batch: Any) -> Turn:
        """Return the discriminator's loss on a batch, and figures to log."""

    @abstractmethod
    def generator_loss(self, batch: Any) -> Turn:
        """Return the generator's loss on a batch, and figures to log."""

    def configure_optimizers(self) -> list[Optimizer]:
        """Make the discriminator's optimizer, then the generator's."""
        make_discriminator_optimizer, make_generator_optimizer = self._make_optimizers
        return [
            make_discriminator_optimizer(self.discriminator.parameters()),
            make_generator_optimizer(self.generator.parameters()),
        ]

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        """Move the discriminator and, on every k-th step, the generator and its average."""
        step = self.step
        logs = self.logs_at(step + 1)
        discriminator_optimizer, generator_optimizer = self._players()
        for optimizer in (discriminator_optimizer, generator_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault("initial_lr", group["lr"]) * self.rate(step)

        self.before_turns(batch)
        self._turn("discriminator", discriminator_optimizer, self.discriminator_loss, batch, measure=logs)
        if self.generator_moves(step):
            # With k > 1 the figures of this move are logged up to k - 1 steps later, so always measure it.
            measure = logs or self.discriminator_steps > 1
            self._turn("generator", generator_optimizer, self.generator_loss, batch, measure=measure)
            self.average.update_parameters(self.generator)

        if self.step != step + 1:
            raise RuntimeError(f"a step must count once, but the trainer went from {step} to {self.step}")
        if logs:
            self.log_figures(self._figures)
        return {name: value for name, value in self._figures.items() if name.startswith("loss/")}

    def before_turns(self, batch: Any) -> None:
        """Do what both turns need; by default nothing."""

    def constrain_discriminator(self) -> None:
        """Bring the discriminator back, after its step, to where it must stay; by default it may go anywhere."""

    def generator_moves(self, step: int) -> bool:
        """Whether the generator moves in the step of this index."""
        return (step + 1) % self.discriminator_steps == 0

    def rate(self, step: int) -> float:
        """Factor of both learning rates in the step of this index: a function of it alone, so nothing is resumed."""
        return 1.0

    def _players(self) -> tuple[LightningOptimizer, LightningOptimizer]:
        discriminator_optimizer, generator_optimizer = self.optimizers()  # type: ignore[attr-defined]
        # Lightning counts every optimizer's step as one of the trainer's (lightning #17958) by hooks that it sets anew
        # for each batch: without them the generator's optimizer steps uncounted.
        generator_optimizer._on_before_step = _do_nothing
        generator_optimizer._on_after_step = _do_nothing
        return discriminator_optimizer, generator_optimizer

    def _turn(
        self, player: str, optimizer: LightningOptimizer, loss_of: Callable[[Any], Turn], batch: Any, *, measure: bool
    ) -> None:
        self.measures = measure
        # Toggling freezes the opponent: the generator's loss would fill the discriminator's gradients otherwise.
        with self.toggled_optimizer(optimizer):
            loss, figures = loss_of(batch)
            optimizer.zero_grad()
            self.manual_backward(loss)
            if measure:
                gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
                figures[f"gradient/{player}"] = torch.nn.utils.get_total_norm(gradients) / self.loss_scale
            optimizer.step()
            if player == "discriminator":
                self.constrain_discriminator()
        figures[f"loss/{player}"] = loss
        self._figures |= {name: value.detach() for name, value in figures.items()}


def _do_nothing() -> None:
    pass
