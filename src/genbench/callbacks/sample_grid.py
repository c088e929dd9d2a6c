"""Pictures of a training: the same noise, drawn again and again."""

from pathlib import Path
from typing import Any

from lightning import Callback, Trainer

from genbench.errors import UserError
from genbench.figures.grid import make_grid, place_beside, save_image
from genbench.metrics.conditions import conditions_in_turn
from genbench.sampling import sample_images


class SampleGrid(Callback):
    """Write a grid of samples of the averaged weights, from fixed noise, to `samples/step_<step>.png`.

    Grids come at steps 1, 2, 4, 8, ... until `every`, so that a wrong range or a dead network shows at once, then
    every `every` steps and at the end. A translation stands to the right of its source.

    Args:
        every: steps between two grids.
        count: images a grid.
        seed: seed of the noise.

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(self, every: int, count: int = 64, seed: int = 0) -> None:
        if every < 1 or count < 1:
            raise UserError(f"a sample grid needs every >= 1 and count >= 1, not {every} and {count}")
        self.every = every
        self.count = count
        self.seed = seed

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Draw a grid if it is time."""
        step = trainer.global_step
        early = step < self.every and step & (step - 1) == 0
        if trainer.is_global_zero and (early or step % self.every == 0 or step == trainer.max_steps):
            conditions = None
            if pl_module.is_conditional:
                conditions = conditions_in_turn(trainer.datamodule, self.count)  # type: ignore[attr-defined]
            images = sample_images(pl_module.sample, self.count, self.seed, conditions)
            if conditions is not None and conditions.ndim == 4:
                images = place_beside(conditions, images)
            save_image(make_grid(images), Path(trainer.default_root_dir) / "samples" / f"step_{step:07d}.png")
