"""Variations of an image: other images of the same CLIP embedding (Ramesh et al. 2022, section 3.1, figure 3).

Example:
    python -m genbench edit editor=variations run=FOLDER images=DIR
    python -m genbench edit editor=variations run=FOLDER images=DIR editor.start=inverted sampler=ddim sampler.eta=1
"""

from typing import ClassVar, Literal

import torch
from torch.nn.functional import cosine_similarity

from genbench.abilities import DecodesEmbeddings
from genbench.choices import expect_choice
from genbench.editing.base import Editor, EditResult, Input, Inputs
from genbench.editing.strips import side_by_side, strip_medium
from genbench.randomness import Noise

Start = Literal["fresh", "inverted"]


class Variations(Editor):
    """Draw images of the embedding of an image; a result is the strip of the image and its variations.

    What the embedding says of the image they share; the rest is left to chance.

    Args:
        method: embeds images, and draws images of embeddings, by the run's sampler.
        variations: of each image.
        start: of the sampling: "fresh" noise; or "inverted", the noise that the image itself comes from by DDIM, so
            that variations differ from it by what a sampler with noise of its own adds, such as DDIM with `eta`:
            without any they are reconstructions.
        steps: of the inversion.

    Raises:
        ValueError: an argument is out of range.
    """

    takes: ClassVar[frozenset[Input]] = frozenset({"images"})
    scores = {"cosine": "mean cosine between the embeddings of the image and of its variations, in [-1, 1]"}

    def __init__(
        self, method: DecodesEmbeddings, *, variations: int = 4, start: Start = "fresh", steps: int = 50
    ) -> None:
        expect_choice("start", start, Start)
        for name, value in {"variations": variations, "steps": steps}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        self.method = method
        self.variations = variations
        self.start = start
        self.steps = steps
        self.medium = strip_medium(method.medium, 1 + variations)

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return the strips."""
        images = inputs.images
        assert images is not None
        z = self.method.embed(images)
        start = self.method.invert(images, z, steps=self.steps) if self.start == "inverted" else None
        medium = self.method.medium
        drawn, cosines = [medium.store(images)], []
        for _ in range(self.variations):
            samples = medium.check(self.method.decode_embeddings(z, noise=noise, start=start), inputs.count)
            cosines.append(cosine_similarity(self.method.embed(samples), z))
            drawn.append(medium.store(samples).cpu())
        return EditResult(side_by_side(torch.stack(drawn, dim=1)), scores={"cosine": torch.stack(cosines).mean(0)})
