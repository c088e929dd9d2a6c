"""Alternating optimisation of discriminator and generator, common to all adversarial methods.

A method's own file defines the two losses.
"""

from abc import abstractmethod
from typing import Any

from torch import Tensor, nn

from genbench.methods.base import GenerativeMethod
from genbench.methods.optimisation import Loss, MakeOptimizer


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
        settings: those of `Method`.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        generator_optimizer: MakeOptimizer,
        discriminator_optimizer: MakeOptimizer,
        discriminator_steps: int = 1,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        if discriminator_steps < 1:
            raise ValueError(f"discriminator_steps must be at least 1, not {discriminator_steps}")
        self.generator = generator
        self.discriminator = discriminator
        self.average = self.averaged(generator)
        self.discriminator_steps = discriminator_steps
        self.optimise("discriminator", discriminator, discriminator_optimizer)
        self.optimise("generator", generator, generator_optimizer, average=self.average)

    @abstractmethod
    def discriminator_loss(self, batch: Any) -> Loss:
        """Return the discriminator's loss on a batch, and figures to log."""

    @abstractmethod
    def generator_loss(self, batch: Any) -> Loss:
        """Return the generator's loss on a batch, and figures to log."""

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        """Update the discriminator and, on every k-th step, the generator and its average."""
        generator_moves = self.generator_moves(self.step)
        self.before_turns(batch)
        self.take_step("discriminator", self.discriminator_loss, batch)
        self.constrain_discriminator()
        if generator_moves:
            # With k > 1 the figures of this update are logged up to k - 1 steps later, so they are always computed.
            self.take_step("generator", self.generator_loss, batch, measure=self.discriminator_steps > 1)
        return self.finish_step()

    def before_turns(self, batch: Any) -> None:
        """Prepare what both updates need; by default nothing."""

    def constrain_discriminator(self) -> None:
        """Enforce a constraint on the discriminator's weights after its step; by default none."""

    def generator_moves(self, step: int) -> bool:
        """Whether the generator is updated in the step of this index."""
        return (step + 1) % self.discriminator_steps == 0
