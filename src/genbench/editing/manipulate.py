"""Change what images show: their vectors go along a direction of a linear classifier (Preechakul et al. 2022).

https://arxiv.org/abs/2111.15640, section 5.3 and figure 5. What a vector does not say is kept by the noise that the
image comes from.

Example:
    python -m genbench edit editor=manipulate run=FOLDER images=DIR editor.target=red
"""

from typing import ClassVar

import torch

from genbench.abilities import LeadsEmbeddings
from genbench.editing.base import Editor, EditResult, Input, Inputs
from genbench.editing.strips import side_by_side, strip_medium
from genbench.errors import near
from genbench.interpolation import decode_along
from genbench.randomness import Noise


class Manipulate(Editor):
    """Lead images to a class or an attribute; a result is the strip of all pictures on the way.

    Args:
        method: knows directions of an autoencoder's vectors.
        target: the class or attribute by its name; with a minus before it to lead away from it.
        strength: how far to go, see the method.
        pictures: of a strip, both ends included; at least 2.
        steps: of the inversion.

    Raises:
        ValueError: an argument is out of range, or there is no such target.
    """

    takes: ClassVar[frozenset[Input]] = frozenset({"images"})
    scores = {
        "before": "probability of the target by the classifier, of the image",
        "after": "the same of the last picture",
    }

    def __init__(
        self,
        method: LeadsEmbeddings,
        *,
        target: str | int | None = None,
        strength: float = 0.3,
        pictures: int = 5,
        steps: int = 250,
    ) -> None:
        names = list(method.targets)
        name = str(target).removeprefix("-")
        if target is None:
            raise ValueError(f"target must be one of {', '.join(names)}: set editor.target=NAME")
        if str(target) not in names and name not in names:
            raise ValueError(f"target={target} is no class or attribute of the classifier{near(name, names)}")
        if strength <= 0:
            raise ValueError(f"strength must be positive, not {strength}")
        for key, value, least in (("pictures", pictures, 2), ("steps", steps, 1)):
            if value < least:
                raise ValueError(f"{key} must be at least {least}, not {value}")
        self.method = method
        is_away = str(target) not in names
        self.target = names.index(name if is_away else str(target))
        self.strength = -strength if is_away else strength
        self.pictures = pictures
        self.steps = steps
        self.medium = strip_medium(method.decoder.medium, pictures)

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return the strips."""
        images, decoder = inputs.images, self.method.decoder
        assert images is not None
        z = decoder.embed(images)
        strengths = torch.linspace(0, self.strength, self.pictures).tolist()
        along = torch.stack([self.method.lead(z, self.target, strength) for strength in strengths], dim=1)
        start = decoder.invert(images, z, steps=self.steps)
        frames = decode_along(decoder, along, start[:, None].expand(-1, self.pictures, -1, -1, -1), noise)
        last = decoder.embed(decoder.medium.load(frames[:, -1]).to(z))
        before, after = (self.method.recognise(each)[:, self.target].cpu() for each in (z, last))
        return EditResult(side_by_side(frames), frames, {"before": before, "after": after})
