"""Losses by quarters of the times, since they differ with the time."""

from torch import Tensor

_QUARTERS = 4


def by_quarter(name: str, losses: Tensor, t: Tensor) -> dict[str, Tensor]:
    """Return the mean loss in each quarter of the times that occurs in the batch, since the loss differs with t."""
    # Quarters are closed at their upper end: of four steps each quarter has one.
    quarter = (t * _QUARTERS - 1e-4).ceil().long().clamp(1, _QUARTERS) - 1
    found = {}
    for index in range(_QUARTERS):
        own = losses[quarter == index]
        if len(own):
            found[f"loss/{name}_t{index + 1}"] = own.mean()
    return found
