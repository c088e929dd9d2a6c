"""What varies from epoch to epoch: horizontal flips, random crops of a slightly enlarged version, the caption drawn."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from genbench.errors import UserError
from genbench.randomness import make_generator


@dataclass(frozen=True)
class Variation:
    """The augmentation drawn for some rows; a source image gets the same as its target.

    Attributes:
        flips: which are flipped horizontally, bool (B, ...), or None.
        corners: corner of each crop within the enlarged version, as a fraction in [0, 1) of the margin, (B, ..., 2), or
            None.
        jitter: pixels by which height and width are enlarged.
        places: which of the alternatives of a condition, as a fraction in [0, 1) of their number, (B, ...), or None.
    """

    flips: Tensor | None = None
    corners: Tensor | None = None
    jitter: int = 0
    places: Tensor | None = None

    def __getitem__(self, index: slice | tuple[slice, int] | Tensor) -> "Variation":
        """Return the variation of some rows, or of one image of each row."""
        parts = (self.flips, self.corners, self.places)
        flips, corners, places = (None if part is None else part[index] for part in parts)
        return Variation(flips, corners, self.jitter, places)

    def apply(self, images: Tensor) -> Tensor:
        """Return the augmented images (B, C, H, W), float in [-1, 1]."""
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
    """The distribution of augmentations.

    Attributes:
        flip: whether half of the images are flipped horizontally.
        jitter: pixels by which height and width are enlarged before a random crop (Isola et al. 2017, section 6.2); 0
            for none.

    Raises:
        UserError: `jitter` is negative.
    """

    flip: bool = False
    jitter: int = 0

    def __post_init__(self) -> None:
        """Check the range."""
        if self.jitter < 0:
            raise UserError(f"data.jitter must be at least 0 pixels, not {self.jitter}")

    def draw(self, shape: torch.Size, seed: int, epoch: int, alternatives: bool = False) -> Variation:
        """Return the variation of an epoch's rows: a function of (seed, epoch) only.

        Args:
            shape: of the rows.
            seed: of the data.
            epoch: from 0.
            alternatives: whether each row has several conditions, of which one is drawn.
        """
        flips = torch.rand(shape, generator=make_generator("flip", seed, epoch)) < 0.5 if self.flip else None
        corners = torch.rand(*shape, 2, generator=make_generator("jitter", seed, epoch)) if self.jitter else None
        places = torch.rand(shape, generator=make_generator("alternative", seed, epoch)) if alternatives else None
        return Variation(flips, corners, self.jitter, places)


NOTHING = Augmentation()
