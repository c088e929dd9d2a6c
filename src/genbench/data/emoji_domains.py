"""Emoji in six domains, yellow and five skin tones: translation among domains whose ground truth is known.

Example:
    npm install --prefix data emoji-datasource-google@16
    python -m genbench prepare data=emoji_domains data.root=data
"""

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from genbench.conditions.classes import Classes
from genbench.conditions.target_domain import TargetDomain
from genbench.data.base import Split
from genbench.data.emoji import OnBackground, colour_of
from genbench.data.emoji_package import SKIN_TONES, EmojiPackage, Vendor, check_vendor
from genbench.data.holding_out import check_test_every, held_out
from genbench.data.prepared import MissingDataError, PreparedData, Records
from genbench.data.sources import FolderSource
from genbench.data.store import SampleStore
from genbench.errors import UserError
from genbench.images import to_float

DOMAINS = ("yellow", *SKIN_TONES.values())
"""Names of the domains."""


class EmojiDomains(PreparedData):
    """Emoji that a vendor has drawn in all six domains; each emoji is held out with all of them.

    An image's condition is its domain and a source, the same emoji in another domain (`TargetDomain`): the image is
    the true translation of the source into its own domain. The training split has each image once, with the emoji in
    the next domain as its source, which methods that learn from unpaired images do not look at. Of the test split the
    images are those of every ordered pair of domains, 30 of each emoji.

    Args:
        vendor: "google" or "twitter".
        background: colour over which they are composited, by name or as "#rrggbb".
        test_every: one emoji of so many is held out; 0 for none.
        settings: those of `PreparedData`; `root` is the package's folder, or one in which it is or was installed.

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(
        self, vendor: Vendor = "google", *, background: str = "white", test_every: int = 10, **settings: Any
    ) -> None:
        super().__init__(**settings)
        check_vendor(vendor)
        check_test_every(test_every)
        self.vendor = vendor
        self.name = f"emoji_domains_{vendor}"
        self.background = colour_of(background)
        self.test_every = test_every
        self.condition = TargetDomain(Classes(DOMAINS), self.medium.shape)

    @property
    def pixels(self) -> OnBackground:
        """Compositing and preparation."""
        return OnBackground(self.preparation, self.background)

    @cached_property
    def found(self) -> dict[str, FolderSource]:
        """The images of each split, emoji after emoji, each in all domains in their order.

        Raises:
            MissingDataError: the package is missing; the message says how it is installed.
            UserError: the package is not complete.
        """
        package = EmojiPackage.find(self.root, self.vendor)
        images: dict[str, list[str]] = {"train": [], "test": []}
        for entry in package.entries:
            drawn = package.variations(entry)
            if all(tone in drawn for tone in _TONES):
                split = "test" if held_out(str(entry.get("unified")), self.test_every) else "train"
                images[split] += [drawn[tone] for tone in _TONES]
        return {split: FolderSource(package.images, own) for split, own in images.items() if own}

    def records(self, part: str) -> Records:
        """Return the images of a split.

        Raises:
            MissingDataError: there are none.
        """
        if part not in self.found:
            raise MissingDataError(f"data.root={self.root} has no {part} emoji in all skin tones")
        return Records(self.found[part])

    def load(self, split: Split) -> SampleStore:
        """Return the images of a split with their domains and sources.

        Raises:
            UserError: an image of an emoji was left out.
        """
        shards, _ = self.open(split)
        if shards.manifest["skipped"]:
            raise UserError(f"{shards.folder} lacks images, and an emoji is needed in all domains: repair the package")
        images = shards[:]
        targets, sources = _every_pair(len(images)) if split == "test" else _every_image(len(images))
        condition = self.condition
        assert isinstance(condition, TargetDomain)
        rows = condition.pack(targets % len(DOMAINS), to_float(images[sources]))
        return SampleStore(images[targets], rows, condition=condition)

    def where(self, part: str) -> str | None:
        """Return how the emoji of a split were chosen."""
        return f"one emoji in {self.test_every}, held out in all domains" if part == "test" else None

    def _identity(self, part: str) -> dict[str, Any]:
        return {**super()._identity(part), "background": list(self.background), "test_every": self.test_every}


_TONES = ("", *SKIN_TONES)
"""Code points of the domains."""


def _every_image(count: int) -> tuple[Tensor, Tensor]:
    """Return the places of all images, (count,), and of each that of the same emoji in the next domain."""
    targets = torch.arange(count)
    emoji, domain = targets // len(DOMAINS), targets % len(DOMAINS)
    return targets, emoji * len(DOMAINS) + (domain + 1) % len(DOMAINS)


def _every_pair(count: int) -> tuple[Tensor, Tensor]:
    """Return the places of images and of their sources, of each ordered pair of domains one emoji after the other."""
    first = torch.arange(0, count, len(DOMAINS))
    pairs = [(source, target) for source in range(len(DOMAINS)) for target in range(len(DOMAINS)) if source != target]
    return torch.cat([first + target for _, target in pairs]), torch.cat([first + source for source, _ in pairs])
