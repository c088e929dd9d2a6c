"""Pictures of a training: the same noise, drawn again and again."""

from typing import Any

import torch
from lightning import Trainer
from torch import Tensor

from genbench.abilities import HasLatents
from genbench.callbacks.pictures import Pictures
from genbench.conditions.base import Channels
from genbench.errors import UserError
from genbench.figures.captions import under_conditions
from genbench.figures.grid import make_grid
from genbench.figures.interpolation import slerp
from genbench.logs.loggers import log_picture
from genbench.metrics.conditions import conditions_in_turn
from genbench.randomness import Noise
from genbench.sampling import sample_set

_STOPS = 11
"""Images of a walk."""


class SampleGrid(Pictures):
    """Write a grid of samples of the averaged weights, from fixed noise, to `samples/step_<step>.png`.

    Grids come at steps 1, 2, 4, 8, ... until `every`, so that a wrong range or a dead network shows at once, then
    every `every` steps and at the end, but for those that would take more than a part `share` of the run's time (see
    `Spacing`). A translation stands to the right of its source; under a sample stands what it was asked to show, such
    as its class or caption. With each grid but the early ones a method that has latents also interpolates between fixed
    ones, on great circles: `samples/interpolation_<step>.png`.

    Args:
        every: steps between two grids.
        count: images a grid.
        seed: seed of the noise.
        walks: how many walks through the latent space, a row each; a conditional method takes one class a walk.
        share: largest part of the run's time that grids and walks may take; 1 for no limit.

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(self, every: int, count: int = 64, seed: int = 0, walks: int = 4, share: float = 0.05) -> None:
        super().__init__("grid", share)
        if every < 1 or count < 1 or walks < 0:
            raise UserError(
                f"a sample grid needs every >= 1, count >= 1 and walks >= 0, not {every}, {count} and {walks}"
            )
        self.every = every
        self.count = count
        self.seed = seed
        self.walks = walks

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Draw what it is time for."""
        step = trainer.global_step
        early = step < self.every and step & (step - 1) == 0
        due = early or step % self.every == 0
        if not trainer.is_global_zero:
            return
        if step == trainer.max_steps or (due and self.spacing.allows(trainer)):
            self.try_to_draw(trainer, pl_module)

    def draw(self, trainer: Trainer, method: Any) -> None:
        """Draw a grid, and the walks unless it is an early one."""
        step = trainer.global_step
        log_picture(trainer, "samples/grid", self._grid(trainer, method), stem="step")
        late = step % self.every == 0 or step == trainer.max_steps
        has_latents = isinstance(method, HasLatents)
        # A latent of a method that translates goes with a source image, between which nothing can be interpolated.
        between_images = method.condition is not None and isinstance(method.condition.form, Channels)
        if late and self.walks and has_latents and not between_images:
            log_picture(trainer, "samples/interpolation", self._strips(trainer, method), stem="interpolation")

    def _grid(self, trainer: Trainer, method: Any) -> Tensor:
        conditions = None
        if method.condition is not None:
            conditions = conditions_in_turn(method, trainer.datamodule, self.count)  # type: ignore[attr-defined]
        samples = sample_set(method.sample, self.count, self.seed, method.medium, conditions)
        return make_grid(under_conditions(method.medium.picture(samples), conditions))

    def _strips(self, trainer: Trainer, method: Any) -> Tensor:
        ends = Noise(self.seed).normal(2 * self.walks, method.latent_dim)
        z = slerp(ends[::2], ends[1::2], torch.linspace(0, 1, _STOPS))
        rows = None
        if method.condition is not None:
            conditions = conditions_in_turn(method, trainer.datamodule, self.walks)  # type: ignore[attr-defined]
            rows = conditions.load().repeat_interleave(_STOPS, 0)
        samples = method.decode(z.flatten(0, 1).to(method.device), rows)
        return make_grid(method.medium.picture(method.medium.store(samples).cpu()), _STOPS)
