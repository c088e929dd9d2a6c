"""Images some of whose layers have the styles of other images (Karras et al. 2018, figure 3).

https://arxiv.org/abs/1812.04948. Layers of 4 and 8 pixels decide pose and shape, later ones what is smaller, the last
ones colours.

Example:
    python -m genbench edit editor=style_mixing run=FOLDER editor.first=0 editor.last=3
"""

from typing import ClassVar

import torch
from torch import Tensor

from genbench.abilities import HasStyles
from genbench.editing.base import Editor, EditResult, Input, Inputs
from genbench.editing.strips import strip_medium
from genbench.medium import Images
from genbench.randomness import Noise


class StyleMixing(Editor):
    """Mix the styles of random images, all under one condition; a result is a table.

    Its first column are images as they are, its first row those whose styles the others take in some layers.

    Args:
        method: draws images of styles.
        rows: images that are changed.
        columns: images whose styles they take.
        first: first layer whose style they take, from 0.
        last: the last one.

    Raises:
        ValueError: an argument is out of range.
    """

    takes: ClassVar[frozenset[Input]] = frozenset({"condition"})
    chunk = 1

    def __init__(self, method: HasStyles, *, rows: int = 4, columns: int = 4, first: int = 0, last: int = 3) -> None:
        for name, value in (("rows", rows), ("columns", columns)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        if not 0 <= first <= last < method.layers:
            raise ValueError(
                f"first={first} and last={last} must be layers from 0 to {method.layers - 1}, in this order"
            )
        self.method = method
        self.rows, self.columns = rows, columns
        self.first, self.last = first, last
        channels, height, width = strip_medium(method.medium, 1).shape
        self.medium = Images((channels, (rows + 1) * height, (columns + 1) * width))

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return tables."""
        tables = [
            self._table(None if inputs.condition is None else inputs.condition[:1], noise) for _ in range(inputs.count)
        ]
        return EditResult(torch.stack(tables))

    def _table(self, condition: Tensor | None, noise: Noise) -> Tensor:
        """Return a table as a picture uint8 (C, H, W)."""
        z = noise.normal(self.rows + self.columns, self.method.latent_dim).to(self.method.device)
        shown = None if condition is None else condition.expand(len(z), *condition.shape[1:])
        w = self.method.styles(z, shown)
        changed, given = w[: self.rows], w[self.rows :]
        mixed = changed[:, None].repeat(1, self.columns, 1, 1)
        mixed[:, :, self.first : self.last + 1] = given[:, self.first : self.last + 1]
        whole, others, inner = (self._drawn(each) for each in (changed, given, mixed.flatten(0, 1)))
        empty = torch.full_like(whole[:1], 255)
        cells = torch.cat(
            [torch.cat([empty, others])[None], torch.cat([whole[:, None], inner.unflatten(0, mixed.shape[:2])], 1)]
        )
        # (rows, columns, C, H, W)
        return cells.permute(2, 0, 3, 1, 4).flatten(3).flatten(1, 2)

    def _drawn(self, w: Tensor) -> Tensor:
        """Return images of styles as pictures, uint8 (B, C, H, W) on the CPU."""
        medium = self.method.medium
        return medium.picture(medium.store(self.method.synthesise(w).clamp(-1, 1).cpu()))
