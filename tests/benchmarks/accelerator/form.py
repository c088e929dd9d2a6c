"""In which size things are measured: at a GPU's, or tiny, to see that they work."""

import time
from dataclasses import dataclass


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
