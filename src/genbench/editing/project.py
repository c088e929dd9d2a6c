"""Find the styles of which a generator draws an image, see `style_search`.

Example:
    python -m genbench edit editor=project run=FOLDER images=DIR
"""

from typing import ClassVar

import torch

from genbench.abilities import PerceivesStyled
from genbench.editing.base import Editor, EditResult, Input, Inputs
from genbench.editing.strips import side_by_side, strip_medium
from genbench.editing.style_search import Perceptual, Space, StyleSearch
from genbench.randomness import Noise


class Project(Editor):
    """Lead styles to images; a result is the strip of the image and of what is drawn of the styles found for it.

    Args:
        method: draws images of styles, and perceives images.
        space: "w", one for all layers, or "w_plus", one for each.
        steps: of Adam.
        lr: its largest learning rate, which rises in the first twentieth and falls in the last quarter.
        perceptual: the features: the "discriminator"'s; "lpips", by VGG-16, whose weights must lie in torch's cache; or
            "none".
        perceptual_weight: lambda.
        pictures: on the way that are kept, both ends included; at least 2.

    Raises:
        ValueError: an argument is out of range.
        UserError: VGG-16's weights are not there.
    """

    takes: ClassVar[frozenset[Input]] = frozenset({"images", "condition"})
    scores = {
        "mae": "mean absolute error of what is drawn, on [-1, 1]",
        "distance": "what is minimised, a number for each picture on the way",
    }
    chunk = 16

    def __init__(
        self,
        method: PerceivesStyled,
        *,
        space: Space = "w_plus",
        steps: int = 300,
        lr: float = 0.05,
        perceptual: Perceptual = "discriminator",
        perceptual_weight: float = 1.0,
        pictures: int = 5,
    ) -> None:
        if pictures < 2:
            raise ValueError(f"pictures must be at least 2, not {pictures}")
        self.method = method
        self.search = StyleSearch(
            method, space=space, steps=steps, lr=lr, perceptual=perceptual, perceptual_weight=perceptual_weight
        )
        self.pictures = pictures
        self.medium = strip_medium(method.medium, 2)

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return the strips, the first picture on the way being of the mean w."""
        images = inputs.images
        assert images is not None
        images = images.to(self.method.device)
        found = self.search.find(images, inputs.condition, noise=noise, pictures=self.pictures)
        medium = self.method.medium
        frames = [frame.clamp(-1, 1) for frame in found.frames]
        pictures = [medium.picture(medium.store(each.cpu())) for each in (images, *frames)]
        return EditResult(
            side_by_side(torch.stack([pictures[0], pictures[-1]], dim=1)),
            torch.stack(pictures[1:], dim=1),
            {
                "mae": (frames[-1] - images).abs().flatten(1).mean(1).cpu(),
                "distance": torch.stack(found.distances, dim=1).cpu(),
            },
        )
