"""A source image and the domain that it is to be translated into, as translation among many domains takes them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genbench.conditions.attributes import Attributes
from genbench.conditions.base import Condition
from genbench.conditions.classes import Classes
from genbench.conditions.joint import Joint
from genbench.conditions.source_images import SourceImages
from genbench.images import first_of_each, to_float, to_uint8


class TargetDomain(Joint):
    """Rows are the domain and the source image in one tensor, float32 (N, K + C * H * W), see `Joint`.

    Args:
        shown: the domains: classes, one of which an image is of, or attributes, each of which it has or has not.
        shape: (C, H, W) of the source image, in [-1, 1].
        drawn: whether rows are made of images by themselves, which are the sources and whose targets are drawn, as of
            unpaired data; else an image is its source's true translation, as far as data has those.

    Raises:
        ValueError: there are no two domains, or the shape is none of an image.
    """

    key = "target"

    def __init__(self, shown: Condition, shape: Sequence[int], drawn: bool = False) -> None:
        if not isinstance(shown, Classes | Attributes):
            raise ValueError(f"domains are classes or attributes, not {type(shown).__name__}")
        if isinstance(shown, Classes) and len(shown.names) < 2:
            raise ValueError("translation among domains takes at least two of them, and there is one")
        super().__init__(shown, shape)
        self.domains = shown
        self.drawn = drawn

    @property
    def sources(self) -> SourceImages:
        """The source images."""
        return self.images

    @property
    def restores(self) -> bool:
        """Whether a row asks for the very sample that it is made of."""
        return not self.drawn

    def of_sources(self, images: Tensor, asked: Tensor | None = None) -> Tensor:
        """Return rows of source images, uint8 (N, C, H, W), into the domain of a row, or each into all in turn."""
        images = to_float(images)
        if asked is not None:
            return self.pack(self.split(asked)[0].repeat_interleave(len(images), 0), images)
        count = len(self.domains.names)
        # Of attributes each by itself: what else an image of one's own has, nobody knows.
        every = torch.arange(count) if isinstance(self.domains, Classes) else torch.eye(count)
        return self._each_into(images, every.repeat(len(images), *[1] * (every.ndim - 1)))

    def in_turn(self, rows: Tensor, count: int) -> Tensor:
        """Return rows for a picture: each source into all domains, of attributes with one after the other changed."""
        targets, images = self.split(rows)
        first = first_of_each(images)
        targets, images = targets[first], images[first]
        names = len(self.domains.names)
        if isinstance(self.domains, Classes):
            every = torch.arange(names).repeat(len(images))
        else:
            every = flipped(targets.repeat_interleave(names, 0), torch.arange(names).repeat(len(images)))
        found = self._each_into(images, every)
        return found[torch.arange(count) % len(found)]

    def parse(self, text: str) -> Tensor:
        """Return the row of a domain, by its number or name, or of attributes that are present, of a grey image."""
        return self.pack(self.domains.parse(text), self.images.null(1))

    def store(self, rows: Tensor) -> Tensor:
        """Return rows whose images have 256 levels, as if they came from files."""
        targets, images = self.split(rows)
        return self.pack(targets, to_float(to_uint8(images)))

    def to_dict(self) -> dict[str, Any]:
        """Return the domains, the shape, and how rows are made."""
        return {**super().to_dict(), "drawn": self.drawn}

    def _each_into(self, images: Tensor, targets: Tensor) -> Tensor:
        return self.pack(targets, images.repeat_interleave(len(self.domains.names), 0))


def flipped(attributes: Tensor, places: Tensor) -> Tensor:
    """Return attributes (N, K), in each row one of which, by its place (N,), is there if it was not, and vice versa."""
    rows = torch.arange(len(attributes), device=attributes.device)
    changed = attributes.clone()
    changed[rows, places] = 1 - changed[rows, places]
    return changed
