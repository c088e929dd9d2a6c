"""Images as a diffusion autoencoder has them: with the noise that they come from, and with other noise.

Preechakul et al. 2022 (https://arxiv.org/abs/2111.15640, section 5.1, figure 3).

Example:
    python -m genbench edit editor=reconstruct run=FOLDER images=DIR editor.steps=250 sampler=ddim sampler.steps=250
"""

from typing import ClassVar

import torch
from torch import Tensor

from genbench.abilities import DecodesEmbeddings
from genbench.editing.base import Editor, EditResult, Input, Inputs
from genbench.editing.strips import side_by_side, strip_medium
from genbench.randomness import Noise


class Reconstruct(Editor):
    """Encode images and decode them; a result is the strip of the image, its reconstruction, and one of fresh noise.

    Args:
        method: embeds images, and draws images of embeddings, by the run's sampler.
        steps: of the inversion, which finds an image's noise: the more, the more exact.

    Raises:
        ValueError: an argument is out of range.
    """

    takes: ClassVar[frozenset[Input]] = frozenset({"images"})
    scores = {
        "mae": "mean absolute error of the reconstruction, on [-1, 1]",
        "mae_fresh": "the same of fresh noise in the place of the image's own",
    }

    def __init__(self, method: DecodesEmbeddings, *, steps: int = 250) -> None:
        if steps < 1:
            raise ValueError(f"steps must be at least 1, not {steps}")
        self.method = method
        self.steps = steps
        self.medium = strip_medium(method.medium, 3)

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return the strips."""
        images = inputs.images
        assert images is not None
        z = self.method.embed(images)
        start = self.method.invert(images, z, steps=self.steps)
        exact = self.method.decode_embeddings(z, noise=noise, start=start)
        fresh = self.method.decode_embeddings(z, noise=noise)
        medium = self.method.medium
        frames = torch.stack([medium.store(each.cpu()) for each in (images, exact, fresh)], dim=1)
        scores = {"mae": _error(images, exact), "mae_fresh": _error(images, fresh)}
        return EditResult(side_by_side(frames), scores=scores)


def _error(images: Tensor, others: Tensor) -> Tensor:
    return (images - others.to(images)).abs().flatten(1).mean(1).cpu()
