"""The distance of images by features, which a method minimises beside or in place of that of their pixels."""

from typing import Literal

from torch import Tensor
from torch.nn.functional import normalize

from genbench.abilities import EmbedsImages, EmbedsTexts
from genbench.choices import expect_choice
from genbench.lpips import Lpips, load_lpips
from genbench.medium import Medium
from genbench.methods.encoding_once import check_shape

Perceptual = Literal["none", "lpips", "part"]


class PerceptualDistance:
    """A distance of each image to another; no module, so that no checkpoint repeats its weights.

    Args:
        kind: "lpips", by VGG-16, with weights that lie on this machine; "part", the squared distance of embeddings of
            length 1 by a model; or "none".
        part: the model, such as a CLIP, in the method's argument `perceptual_part`.
        medium: of the images.

    Raises:
        ValueError: there is no such kind, or the part is missing or of no use.
    """

    def __init__(self, kind: Perceptual, part: EmbedsImages | None, medium: Medium) -> None:
        expect_choice("perceptual", kind, Perceptual)
        if (kind == "part") != (part is not None):
            raise ValueError("perceptual=part and the part go together: parts.perceptual_part=RUN, of a CLIP")
        # Whoever embeds texts, too, takes images of any size.
        if part is not None and not isinstance(part, EmbedsTexts):
            check_shape("perceptual_part", part.medium, medium)
        self.kind = kind
        self._part = part
        self._lpips: Lpips | None = None

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the distances (B,) of images (B, C, H, W) in [-1, 1].

        Raises:
            UserError: the weights of VGG-16 are not there.
        """
        if self._part is not None:
            one, other = (normalize(self._part.embed_images(each), dim=1) for each in (x, y))
            return (one - other).square().sum(1)
        if self._lpips is None:
            # Not before it is needed: whoever samples a run needs no VGG.
            self._lpips = load_lpips("vgg").to(x.device)
        distance: Tensor = self._lpips(x, y)
        return distance
