"""Grids of samples during training, always from the same noise."""

from typing import Any

import torch
from lightning import Trainer
from torch import Tensor

from genbench.abilities import HasLatents
from genbench.callbacks.pictures import Pictures
from genbench.conditions.base import Channels
from genbench.errors import UserError
from genbench.figures.grid import make_grid
from genbench.figures.samples import picture_of
from genbench.interpolation import decode_path, slerp
from genbench.logs.loggers import log_picture
from genbench.metrics.conditions import conditions_in_turn
from genbench.randomness import Noise
from genbench.sampling import sample_set

_STOPS = 11
"""Images per interpolation."""


class SampleGrid(Pictures):
    """Write a grid of samples of the averaged weights, from fixed noise, to `samples/step_<step>.png`.

    Grids are written at steps 1, 2, 4, 8, ... up to `every`, so that a wrong value range or a dead network shows at
    once, then every `every` steps and at the end. Grids that would take more than `max_fraction` of the run's time are
    skipped (see `Spacing`). A translation is shown to the right of its source; a sample's condition, such as its class
    or caption, below it. With each grid except the early ones, a method with latents also interpolates between fixed
    latents on great circles: `samples/interpolation_<step>.png`.

    Args:
        every: steps between two grids.
        count: images per grid.
        seed: seed of the noise.
        interpolations: how many latent interpolations, one per row; each has one condition if the method is
            conditional.
        max_fraction: largest fraction of the run's time that grids and interpolations may take; 1 for no limit.

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(
        self, every: int, count: int = 64, seed: int = 0, interpolations: int = 4, max_fraction: float = 0.05
    ) -> None:
        super().__init__("grid", max_fraction)
        if every < 1 or count < 1 or interpolations < 0:
            raise UserError(
                "a sample grid needs every >= 1, count >= 1 and interpolations >= 0, "
                f"not {every}, {count} and {interpolations}"
            )
        self.every = every
        self.count = count
        self.seed = seed
        self.interpolations = interpolations

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Draw a grid if one is due."""
        step = trainer.global_step
        early = step < self.every and step & (step - 1) == 0
        due = early or step % self.every == 0
        # The processes that have parts of the average enter together, by the first one's clock.
        if step == trainer.max_steps or (due and trainer.strategy.broadcast(self.spacing.allows(trainer))):
            self.try_to_draw(trainer, pl_module)

    def draw(self, trainer: Trainer, method: Any) -> None:
        """Draw a grid and, unless it is an early one, the interpolations."""
        step = trainer.global_step
        log_picture(trainer, "samples/grid", self._grid(trainer, method), stem="step")
        late = step % self.every == 0 or step == trainer.max_steps
        has_latents = isinstance(method, HasLatents)
        # The condition of a translation is a source image, which differs from latent to latent.
        between_images = method.condition is not None and isinstance(method.condition.form, Channels)
        if late and self.interpolations and has_latents and not between_images:
            log_picture(trainer, "samples/interpolation", self._strips(trainer, method), stem="interpolation")

    def _grid(self, trainer: Trainer, method: Any) -> Tensor:
        conditions = None
        if method.condition is not None:
            conditions = conditions_in_turn(method, trainer.datamodule, self.count)  # type: ignore[attr-defined]
        samples = sample_set(method.sample, self.count, self.seed, method.medium, conditions)
        return picture_of(method.medium.picture(samples), conditions)

    def _strips(self, trainer: Trainer, method: Any) -> Tensor:
        ends = Noise(self.seed).normal(2 * self.interpolations, method.latent_dim)
        z = slerp(ends[::2], ends[1::2], torch.linspace(0, 1, _STOPS))
        rows = None
        if method.condition is not None:
            conditions = conditions_in_turn(method, trainer.datamodule, self.interpolations)  # type: ignore[attr-defined]
            rows = conditions.load()
        return make_grid(method.medium.picture(decode_path(method, z, rows).flatten(0, 1)), _STOPS)
