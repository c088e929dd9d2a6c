"""In which size things are measured: at a GPU's, or tiny, to see that they work; and by how many threads."""

import os
import time
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Form:
    """What the rows of a part need to know.

    Attributes:
        tiny: whether sizes are tiny.
        deadline: when the part ends, in seconds of the monotonic clock.
        images: folder of photographs to train on; None if there is none.
        out: folder of the page, for pictures.
    """

    tiny: bool
    deadline: float
    images: str | None
    out: str

    def seconds_left(self) -> float:
        """Return how many seconds the part has left."""
        return self.deadline - time.monotonic()


def environment() -> dict[str, str]:
    """Return the environment of a process that shall compute with as many threads as this one: sums depend on it."""
    return os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
