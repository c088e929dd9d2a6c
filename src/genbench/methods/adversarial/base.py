"""Alternating optimisation of discriminator and generator, common to all adversarial methods.

A method's own file defines the two losses; this one takes the optimizer steps.
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
"""A loss to be minimised, and further figures to log."""


class AdversarialMethod(GenerativeMethod):
    """Alternate between a discriminator and a generator (Goodfellow et al. 2014, algorithm 1).

    The discriminator steps on every batch, the generator on every `discriminator_steps`-th, so each discriminator
    step sees fresh data. Only the discriminator's optimizer counts as a step of the trainer.

    Args:
        generator: the network whose averaged weights are sampled.
        discriminator: the network that distinguishes real from generated samples.
        generator_optimizer: maps parameters to an optimizer.
        discriminator_optimizer: maps parameters to an optimizer.
        discriminator_steps: k, discriminator steps per generator step; at least 1.
        ema_decay: decay of the generator's averaged weights, see `AveragedNetwork`.

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
        """Whether the further figures of the current loss will be logged, so that they are computed only then."""
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
        """Update the discriminator and, on every k-th step, the generator and its average."""
        step = self.step
        logs = self.logs_at(step + 1)
        discriminator_optimizer, generator_optimizer = self._optimizer_pair()
        for optimizer in (discriminator_optimizer, generator_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault("initial_lr", group["lr"]) * self.rate(step)

        self.before_turns(batch)
        self._turn("discriminator", discriminator_optimizer, self.discriminator_loss, batch, measure=logs)
        if self.generator_moves(step):
            # With k > 1 the figures of this update are logged up to k - 1 steps later, so they are always computed.
            measure = logs or self.discriminator_steps > 1
            self._turn("generator", generator_optimizer, self.generator_loss, batch, measure=measure)
            self.average.update_parameters(self.generator)

        if self.step != step + 1:
            raise RuntimeError(f"a step must count once, but the trainer went from {step} to {self.step}")
        if logs:
            self.log_figures(self._figures)
        return {name: value for name, value in self._figures.items() if name.startswith("loss/")}

    def before_turns(self, batch: Any) -> None:
        """Prepare what both updates need; by default nothing."""

    def constrain_discriminator(self) -> None:
        """Enforce a constraint on the discriminator's weights after its step; by default none."""

    def generator_moves(self, step: int) -> bool:
        """Whether the generator is updated in the step of this index."""
        return (step + 1) % self.discriminator_steps == 0

    def rate(self, step: int) -> float:
        """Learning-rate schedule: factor of both rates at a step, a function of the step alone, so it has no state."""
        return 1.0

    def _optimizer_pair(self) -> tuple[LightningOptimizer, LightningOptimizer]:
        discriminator_optimizer, generator_optimizer = self.optimizers()  # type: ignore[attr-defined]
        # Lightning counts every optimizer's step as one of the trainer's (lightning #17958), through hooks that it sets
        # again for each batch: without them the generator's steps are not counted.
        generator_optimizer._on_before_step = _do_nothing
        generator_optimizer._on_after_step = _do_nothing
        return discriminator_optimizer, generator_optimizer

    def _turn(
        self, network: str, optimizer: LightningOptimizer, loss_of: Callable[[Any], Turn], batch: Any, *, measure: bool
    ) -> None:
        self.measures = measure
        # Toggling freezes the other network: the generator's loss would otherwise add to the discriminator's gradients.
        with self.toggled_optimizer(optimizer):
            loss, figures = loss_of(batch)
            optimizer.zero_grad()
            self.manual_backward(loss)
            if measure:
                gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
                figures[f"gradient/{network}"] = torch.nn.utils.get_total_norm(gradients) / self.loss_scale
            optimizer.step()
            if network == "discriminator":
                self.constrain_discriminator()
        figures[f"loss/{network}"] = loss
        self._figures |= {name: value.detach() for name, value in figures.items()}


def _do_nothing() -> None:
    pass
