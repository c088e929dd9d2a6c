"""Translate images into a domain in the style of reference images (Choi et al. 2020, section 3, figures 4 and 6).

Example:
    python -m genbench edit editor=restyle run=FOLDER images=DIR others=DIR editor.target=cat
"""

from typing import ClassVar

import torch

from genbench.abilities import TranslatesLike
from genbench.editing.base import Beside, Editor, EditResult, Input, Inputs
from genbench.randomness import Noise


class Restyle(Editor):
    """Translate each image by the style of another one, which is of the target domain.

    Args:
        method: translates among domains, in styles.
        target: the domain of the references, by number or name.

    Raises:
        ValueError: there is no such domain, or none is given.
    """

    takes: ClassVar[frozenset[Input]] = frozenset({"images", "others"})

    def __init__(self, method: TranslatesLike, *, target: str | int | None = None) -> None:
        names = method.condition.domains.names
        if target is None:
            raise ValueError(f"target must be one of {', '.join(names)}, the domain of others=: set editor.target=NAME")
        self.target = method.condition.domains.parse(str(target))
        self.method, self.medium = method, method.medium

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return the translations; shown beside are each one's source and reference."""
        images, others = inputs.images, inputs.others
        assert images is not None
        assert others is not None
        rows = self.method.condition.pack(self.target.repeat_interleave(len(images), 0).to(images.device), images)
        translated = self.method.sample_like(others, rows)
        given = torch.stack([self.medium.store(each) for each in (images, others)], dim=1).cpu()
        return EditResult(
            self.medium.store(translated), beside=Beside(list(given), [["image", "reference"]] * len(given))
        )
