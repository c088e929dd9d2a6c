"""Text differences: an image is led from what one caption says to what another says (Ramesh et al. 2022, section 3.3).

    z_d = (z_t - z_t0) / |z_t - z_t0|,    z_theta = slerp(z_i, z_d, theta)

with the embeddings z_i of the image, z_t of the prompt and z_t0 of a caption of the image, or of any dummy. Pictures
are decoded from z_theta for theta from 0 to its maximum, all from the noise that the image comes from by DDIM, or from
any other.

Example:
    python -m genbench edit editor=text_difference run=FOLDER images=DIR prompt="a red seven on blue" \
      editor.source="a red three on blue"
"""

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from genbench.abilities import FollowsTexts
from genbench.choices import expect_choice
from genbench.editing.base import Editor, EditResult, Input, Inputs
from genbench.editing.mix_images import Start
from genbench.editing.strips import side_by_side, strip_medium
from genbench.errors import UserError
from genbench.interpolation import decode_along, slerp
from genbench.randomness import Noise


class TextDifference(Editor):
    """Lead images towards a prompt; a result is the strip of all pictures on the way.

    Args:
        method: embeds images and captions, and draws images of embeddings, by the run's sampler.
        source: the caption that the images have now, or a dummy such as the empty text.
        theta: how far to go on the great circle, as a fraction of the angle; the paper's are 0.25 to 0.5.
        start: of the sampling: "inverted", the noise that the image comes from by DDIM, so that the first picture is
            the image itself as far as the inversion goes, if DDIM draws it without guidance; or "fixed", one fresh
            noise for all pictures of a strip, which does not hold on to what is to change.
        pictures: of a strip, both ends included; at least 2.
        steps: of the inversion.

    Raises:
        ValueError: an argument is out of range, or the source has a word that no caption has.
    """

    takes: ClassVar[frozenset[Input]] = frozenset({"images", "asked condition"})
    scores = {"cosine": "cosine between the embeddings of the prompt and of each picture, in [-1, 1]"}

    def __init__(
        self,
        method: FollowsTexts,
        *,
        source: str = "",
        theta: float = 0.5,
        start: Start = "inverted",
        pictures: int = 5,
        steps: int = 50,
    ) -> None:
        expect_choice("start", start, Start)
        if not 0 < theta <= 1:
            raise ValueError(f"theta must be in (0, 1], not {theta}")
        for name, value, least in (("pictures", pictures, 2), ("steps", steps, 1)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        self.method = method
        self.source = method.condition.parse(source) if source else method.condition.null(1)
        self.theta = theta
        self.start = start
        self.pictures = pictures
        self.steps = steps
        self.medium = strip_medium(method.medium, pictures)

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return the strips.

        Raises:
            UserError: no prompt is given, or it is the source.
        """
        assert inputs.images is not None
        if inputs.condition is None:
            raise UserError("editor=text_difference takes the prompt=... that the images are led to")
        target = self.method.embed_captions(inputs.condition)
        source = self.method.embed_captions(self.source.expand(inputs.count, -1))
        frames = self.lead(inputs.images, target, source, noise)
        flat = self.method.medium.load(frames.flatten(0, 1))
        embedded = self.method.embed(flat).unflatten(0, frames.shape[:2])
        cosines = cosine_similarity(embedded, target[:, None].to(embedded), dim=-1)
        return EditResult(side_by_side(frames), frames, {"cosine": cosines})

    def lead(self, images: Tensor, target: Tensor, source: Tensor, noise: Noise) -> Tensor:
        """Return the pictures on the way, as they are stored, (B, T, C, H, W).

        Args:
            images: (B, C, H, W) in [-1, 1].
            target: embeddings (B, D) of what they are led to.
            source: embeddings (B, D) of what they are led from.
            noise: source of random numbers.

        Raises:
            UserError: both are the same.
        """
        difference = target - source
        if (difference.norm(dim=1) < 1e-6).any():
            raise UserError("the prompt is the source: there is no difference to lead to")
        z = self.method.embed(images)
        # As long as the embeddings themselves, which need not have the length 1.
        direction = z.norm(dim=1, keepdim=True) * normalize(difference, dim=1)
        along = slerp(z, direction, self.theta * torch.linspace(0, 1, self.pictures))
        start = (
            self.method.invert(images, z, steps=self.steps)
            if self.start == "inverted"
            else self.method.fresh_start(len(images), noise=noise)
        )
        return decode_along(self.method, along, start[:, None].expand(-1, self.pictures, -1, -1, -1), noise)
