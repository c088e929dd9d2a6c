"""Images that are larger than those of training, by a window that slides over their codes (Esser et al. 2021).

https://arxiv.org/abs/2012.09841, section 3.2, "high-resolution images".

Example:
    python -m genbench edit editor=larger run=FOLDER editor.times=[1,2] prompt="a red three on blue"
"""

from collections.abc import Sequence
from typing import ClassVar

from genbench.abilities import DrawsLarger
from genbench.editing.base import Editor, EditResult, Input, Inputs
from genbench.medium import Images
from genbench.randomness import Noise


class Larger(Editor):
    """Draw images of a larger size.

    Args:
        method: draws codes with a window.
        times: how many times as high and as wide as those of training the images are; each at least 1.

    Raises:
        ValueError: an argument is out of range, or leads to no whole number of codes.
    """

    takes: ClassVar[frozenset[Input]] = frozenset({"condition"})

    def __init__(self, method: DrawsLarger, *, times: Sequence[float] = (1, 2)) -> None:
        if len(times) != 2 or min(times) < 1:
            raise ValueError(f"times must be two numbers of at least 1, as in [1,2], not {list(times)}")
        height, width = times[0] * method.height, times[1] * method.width
        if height != int(height) or width != int(width):
            raise ValueError(
                f"times={list(times)} makes {height:g} x {width:g} codes of {method.height} x {method.width}, which "
                "are no whole numbers"
            )
        self.method = method
        self.size = int(height), int(width)
        channels, rows, columns = method.medium.shape
        self.medium = Images((channels, round(times[0] * rows), round(times[1] * columns)))

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return the images."""
        images = self.method.sample_larger(inputs.count, *self.size, inputs.condition, noise=noise)
        return EditResult(self.medium.store(images).cpu())
