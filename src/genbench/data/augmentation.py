"""How training images are varied: mirrored, and cut from a somewhat larger version of themselves."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from genbench.errors import UserError
from genbench.randomness import make_generator


@dataclass(frozen=True)
class Variation:
    """How the images of some rows are varied; a source is varied as its target is.

    Attributes:
        flips: which are mirrored from left to right, bool (B, ...), or None.
        corners: where each is cut out of its larger version, in [0, 1) of the room there is, (B, ..., 2), or None.
        jitter: pixels that the larger version has more in height and width.
    """

    flips: Tensor | None = None
    corners: Tensor | None = None
    jitter: int = 0

    def __getitem__(self, index: slice | tuple[slice, int]) -> "Variation":
        """Return the variation of some rows, or of one of the images of each row."""
        flips, corners = (None if part is None else part[index] for part in (self.flips, self.corners))
        return Variation(flips, corners, self.jitter)

    def apply(self, images: Tensor) -> Tensor:
        """Return float images (B, C, H, W) in [-1, 1] as they are to be shown."""
        if self.corners is not None:
            height, width = images.shape[-2:]
            larger = interpolate(images, (height + self.jitter, width + self.jitter), mode="bicubic").clamp(-1, 1)
            places = (self.corners * (self.jitter + 1)).long().tolist()
            cuts = [image[:, y : y + height, x : x + width] for image, (y, x) in zip(larger, places, strict=True)]
            images = torch.stack(cuts)
        if self.flips is not None:
            images = torch.where(self.flips.to(images.device).view(-1, 1, 1, 1), images.flip(-1), images)
        return images


UNVARIED = Variation()


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a training image.

    Attributes:
        flip: half of them are mirrored from left to right.
        jitter: each is enlarged by so many pixels in height and width, and cut back at a random place (Isola et al.
            2017, section 6.2); 0 for none.

    Raises:
        UserError: `jitter` is negative.
    """

    flip: bool = False
    jitter: int = 0

    def __post_init__(self) -> None:
        """Check the range."""
        if self.jitter < 0:
            raise UserError(f"data.jitter must be at least 0 pixels, not {self.jitter}")

    def draw(self, shape: torch.Size, seed: int, epoch: int) -> Variation:
        """Return how the images of an epoch's rows, of this shape, are varied: a function of (seed, epoch) alone."""
        flips = torch.rand(shape, generator=make_generator("flip", seed, epoch)) < 0.5 if self.flip else None
        corners = torch.rand(*shape, 2, generator=make_generator("jitter", seed, epoch)) if self.jitter else None
        return Variation(flips, corners, self.jitter)


NOTHING = Augmentation()
