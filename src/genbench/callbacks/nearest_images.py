"""Samples beside their nearest training samples, to detect memorisation."""

from typing import Any

import torch
from lightning import Trainer
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from genbench.callbacks.pictures import Pictures
from genbench.errors import UserError
from genbench.figures.grid import make_grid
from genbench.logs.loggers import log_picture
from genbench.metrics.conditions import conditions_in_turn
from genbench.sampling import sample_set

_SIDE = 32
_MOST = 50_000
_BLOCK = 4096


class NearestImages(Pictures):
    """At the end, write `samples/nearest_<step>.png`: in the first row samples, below each its nearest training images.

    The distance is Euclidean, in pixels (averaged down to 32 x 32 if larger) or in coordinates, so a shifted copy is
    not found. Of more than 50,000 training samples, 50,000 evenly spaced ones are searched.

    Args:
        count: samples that are shown, the first of the grid's.
        neighbours: training images below each.
        seed: of the samples' noise.

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(self, count: int = 8, neighbours: int = 3, seed: int = 0) -> None:
        super().__init__("nearest")
        if count < 1 or neighbours < 1:
            raise UserError(f"callbacks.nearest needs count >= 1 and neighbours >= 1, not {count} and {neighbours}")
        self.count = count
        self.neighbours = neighbours
        self.seed = seed

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Draw at the last step."""
        if trainer.global_step == trainer.max_steps:
            self.try_to_draw(trainer, pl_module)

    def draw(self, trainer: Trainer, method: Any) -> None:
        """Draw samples and search for their nearest training samples."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if method.medium.shape != data.medium.shape:
            # A method need not draw what its data has: a prior draws embeddings.
            return
        conditions = None if method.condition is None else conditions_in_turn(method, data, self.count)
        samples = sample_set(method.sample, self.count, self.seed, method.medium, conditions)
        real = data.store("train").samples
        rows = nearest_rows(samples, real, self.neighbours)
        shown = method.medium.picture(torch.cat([samples, *(real[column] for column in rows.T)]))
        log_picture(trainer, "samples/nearest", make_grid(shown, self.count), stem="nearest")


def nearest_rows(samples: Tensor, real: Any, neighbours: int) -> Tensor:
    """Return the rows of the real samples nearest to each sample, the nearest first.

    Args:
        samples: stored samples (N, ...).
        real: stored samples (M, ...) that can be indexed.
        neighbours: how many for each, at most M.

    Returns:
        int64 (N, min(neighbours, number of searched samples)).
    """
    searched = torch.linspace(0, len(real) - 1, min(len(real), _MOST)).long()
    x = _shrink(samples)
    best = torch.empty(len(x), 0)
    rows = torch.empty(len(x), 0, dtype=torch.long)
    for block in searched.split(_BLOCK):
        y = _shrink(real[block])
        # Squared distances minus |x|^2, which does not change their order.
        distances = torch.cat([best, y.square().sum(1) - 2 * x @ y.T], dim=1)
        candidates = torch.cat([rows, block.expand(len(x), -1)], dim=1)
        best, order = distances.topk(min(neighbours, distances.shape[1]), dim=1, largest=False)
        rows = candidates.gather(1, order)
    return rows


def _shrink(images: Tensor) -> Tensor:
    if images.dtype == torch.uint8:
        images = images.float() / 255
        if max(images.shape[-2:]) > _SIDE:
            images = adaptive_avg_pool2d(images, _SIDE)
    return images.flatten(1)
