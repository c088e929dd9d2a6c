"""Images whose styles a trained mapper leads to its text, see `methods.adversarial.styleclip_mapper`.

Example:
    python -m genbench edit editor=styleclip_mapper run=RUN images=DIR
"""

from typing import ClassVar

import torch

from genbench.abilities import EmbedsTexts, LeadsStyles
from genbench.editing.base import Editor, EditResult, Input, Inputs
from genbench.editing.by_text import Nearness
from genbench.editing.strips import strip_medium
from genbench.editing.styled import before_and_after, scores_of, styles_of
from genbench.parts import Frozen
from genbench.randomness import Noise


class StyleclipMapper(Editor):
    """Lead styles by a mapper; a result is the strip of the image before and after.

    Args:
        method: leads styles to its text.
        scorer: a CLIP that did not train it, to say how near the image comes; None for none.
        strength: how far styles go; None for as far as in training.
        search_steps: of the search for the styles of images that are given.
        pictures: on the way, both ends included; at least 2.

    Raises:
        ValueError: an argument is out of range.
    """

    takes: ClassVar[frozenset[Input]] = frozenset({"asked images", "condition"})

    def __init__(
        self,
        method: LeadsStyles,
        scorer: Frozen[EmbedsTexts] | None = None,
        *,
        strength: float | None = None,
        search_steps: int = 300,
        pictures: int = 5,
    ) -> None:
        for name, value, least in (("search_steps", search_steps, 1), ("pictures", pictures, 2)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        self.method = method
        self.strength = strength
        self.search_steps = search_steps
        self.pictures = pictures
        self.medium = strip_medium(method.medium, 2)
        self.nearness = Nearness(method.embedder, scorer, method.device)
        self.scores = scores_of(self.nearness)

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return the strips."""
        generator = self.method.generator
        w_0 = styles_of(generator, inputs, self.search_steps, noise=noise)
        w = self.method.lead(w_0, self.strength)
        with torch.no_grad():
            frames = [generator.synthesise(w_0 + t * (w - w_0)) for t in torch.linspace(0, 1, self.pictures).tolist()]
        texts = [self.method.prompt] * inputs.count
        moved = (w - w_0).square().flatten(1).sum(1)
        return before_and_after(self.method.medium, frames, texts, self.nearness, moved)
