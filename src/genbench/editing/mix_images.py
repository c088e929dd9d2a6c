"""Between two images: images of the embeddings on the way (Ramesh et al. 2022, section 3.2, figure 4).

Example:
    python -m genbench edit editor=mix_images run=FOLDER images=DIR others=DIR
"""

from typing import ClassVar, Literal

import torch

from genbench.abilities import DecodesEmbeddings
from genbench.choices import expect_choice
from genbench.editing.base import Editor, EditResult, Input, Inputs
from genbench.editing.strips import NEIGHBOUR_L1, strip_medium, strip_result
from genbench.interpolation import PATHS, decode_along, slerp
from genbench.randomness import Noise

Start = Literal["inverted", "fixed"]
Path = Literal["slerp", "linear"]


class MixImages(Editor):
    """Decode embeddings between those of two images; a result is the strip of all pictures.

    Args:
        method: embeds images, and draws images of embeddings, by the run's sampler.
        start: of the sampling: "inverted", the noise that both images come from by DDIM, interpolated likewise, so that
            the ends are the images themselves as far as the inversion goes, if DDIM draws them without guidance; or
            "fixed", one fresh noise for all pictures of a strip.
        path: of the embeddings: "slerp", along the great circle; or "linear", as for diffusion autoencoders, whose
            embeddings have no particular length.
        pictures: of a strip, both ends included; at least 2.
        steps: of the inversion.

    Raises:
        ValueError: an argument is out of range.
    """

    takes: ClassVar[frozenset[Input]] = frozenset({"images", "others"})
    scores = NEIGHBOUR_L1

    def __init__(
        self,
        method: DecodesEmbeddings,
        *,
        start: Start = "inverted",
        path: Path = "slerp",
        pictures: int = 7,
        steps: int = 50,
    ) -> None:
        expect_choice("start", start, Start)
        expect_choice("path", path, Path)
        for name, value, least in (("pictures", pictures, 2), ("steps", steps, 1)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        self.method = method
        self.start = start
        self.path = PATHS[path]
        self.pictures = pictures
        self.steps = steps
        self.medium = strip_medium(method.medium, pictures)

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return the strips."""
        assert inputs.images is not None
        assert inputs.others is not None
        ends = [self.method.embed(images) for images in (inputs.images, inputs.others)]
        places = torch.linspace(0, 1, self.pictures)
        z = self.path(ends[0], ends[1], places)
        if self.start == "inverted":
            noises = [
                self.method.invert(images, own, steps=self.steps)
                for images, own in zip((inputs.images, inputs.others), ends, strict=True)
            ]
            start = slerp(noises[0].flatten(1), noises[1].flatten(1), places).unflatten(2, noises[0].shape[1:])
        else:
            start = self.method.fresh_start(inputs.count, noise=noise)[:, None].expand(-1, self.pictures, -1, -1, -1)
        return strip_result(decode_along(self.method, z, start, noise))
