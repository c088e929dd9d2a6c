"""How a set of images is drawn, whatever its images are: from noise, from classes, from source images."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Drawing:
    """What `sample` draws.

    Attributes:
        sample: a method's `sample`, or something that is called like it.
        count: images.
        conditions: what each of them shall show, (count, ...), or None; source images are uint8 (count, C, H, W).
        show: turns the first images, uint8 (N, C, H, W), into those of a picture, such as each beside its source.
    """

    sample: Callable[..., Tensor]
    count: int
    conditions: Tensor | None
    show: Callable[[Tensor], Tensor]
