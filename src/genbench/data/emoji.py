"""Emoji with their names, from the npm packages emoji-datasource-google (Noto Emoji) and -twitter (Twemoji).

Example:
    npm install --prefix data emoji-datasource-google@16
    python -m genbench prepare data=emoji data.root=data data.vendor=google
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from PIL import Image, ImageColor

from genbench.data.captioned import Captioned, CaptionedImages
from genbench.data.emoji_package import SKIN_TONES, EmojiPackage, Vendor, check_vendor
from genbench.data.holding_out import check_test_every, held_out
from genbench.data.preparation import Preparation, decode
from genbench.data.sources import FolderSource
from genbench.errors import UserError


@dataclass(frozen=True)
class OnBackground:
    """Composite an image with transparency over a colour, and prepare it.

    Attributes:
        preparation: of the composited image.
        background: the colour, RGB from 0 to 255.
    """

    preparation: Preparation
    background: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return self.preparation.shape

    def __call__(self, content: bytes) -> np.ndarray:
        """Return the pixels, uint8 (H, W, C).

        Raises:
            ValueError, OSError: the bytes are not a complete image.
        """
        image = decode(content, 4)
        ground = Image.new("RGBA", image.size, self.background)
        mode = "RGB" if self.preparation.channels == 3 else "L"
        return self.preparation.fit(Image.alpha_composite(ground, image).convert(mode))


class Emoji(CaptionedImages):
    """Emoji of a vendor; each has up to four captions, of which the first is its name and, if it has one, skin tone.

    Emoji are held out with all their skin tones, by a hash of the code points without them: both vendors' test splits
    have the same emoji, and none of them is trained on in another skin tone.

    Args:
        vendor: "google" or "twitter".
        background: colour over which they are composited, by name or as "#rrggbb".
        test_every: one emoji of so many is held out; 0 for none.
        settings: those of `CaptionedImages`; `root` is the package's folder, or one in which it is or was installed.

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
        self.name = f"emoji_{vendor}"
        self.background = colour_of(background)
        self.test_every = test_every

    @property
    def pixels(self) -> OnBackground:
        """Compositing and preparation."""
        return OnBackground(self.preparation, self.background)

    @cached_property
    def found(self) -> dict[str, Captioned]:
        """The emoji of each split, in the package's order, an emoji before its skin tones.

        Raises:
            MissingDataError: the package is missing; the message says how it is installed.
            UserError: the package is not complete.
        """
        package = EmojiPackage.find(self.root, self.vendor)
        images: dict[str, list[str]] = {"train": [], "test": []}
        texts: dict[str, list[list[str]]] = {"train": [], "test": []}
        for entry in package.entries:
            split = "test" if held_out(str(entry.get("unified")), self.test_every) else "train"
            drawn = package.variations(entry)
            images[split] += drawn.values()
            texts[split] += package.read(entry, partial(_captions_of_each, drawn))
        return {
            split: Captioned(FolderSource(package.images, images[split]), texts[split])
            for split in images
            if images[split]
        }

    def where(self, part: str) -> str | None:
        """Return how the emoji of a split were chosen."""
        return f"one emoji in {self.test_every}, held out with its skin tones" if part == "test" else None

    def _identity(self, part: str) -> dict[str, Any]:
        return {**super()._identity(part), "background": list(self.background), "test_every": self.test_every}


def emoji_captions(entry: dict[str, Any], tones: str = "") -> list[str]:
    """Return the captions of an emoji: its name, its short name, its name with the subcategory and with the category.

    Args:
        entry: of `emoji.json`.
        tones: code points of its skin tones, "1F3FB" or, of two people, "1F3FB-1F3FF"; "" for none.
    """
    names = list(dict.fromkeys(SKIN_TONES[code] for code in tones.split("-") if code))
    tone = f", {' and '.join(names)} skin tone" if names else ""
    name, short = entry["name"].lower(), re.sub(r"[_-]", " ", entry["short_name"].lower())
    subcategory, category = (str(entry.get(key, "")).lower() for key in ("subcategory", "category"))
    forms = [f"{name}{tone}", f"{short}{tone}"]
    forms += [f"{name}{tone}, {group.replace('-', ' ')}" for group in (subcategory, category) if group]
    return list(dict.fromkeys(forms))


def _captions_of_each(drawn: Iterable[str], entry: dict[str, Any]) -> list[list[str]]:
    return [emoji_captions(entry, tones) for tones in drawn]


def skin_tones_of(caption: str) -> list[str]:
    """Return the skin tones that a caption of `emoji_captions` names, such as ["medium-light"]; [] for none."""
    tone = "|".join(SKIN_TONES.values())
    found = re.search(rf", ((?:{tone})(?: and (?:{tone}))?) skin tone", caption)
    return found[1].split(" and ") if found else []


def colour_of(name: str) -> tuple[int, int, int]:
    """Return the colour of a name, or of "#rrggbb", RGB from 0 to 255.

    Raises:
        UserError: there is none.
    """
    try:
        colour = ImageColor.getrgb(name)
    except ValueError as error:
        raise UserError(f"data.background must be a colour such as white or #f0f0f0, not {name!r}") from error
    if len(colour) != 3:
        raise UserError(f"data.background must be a colour without transparency, not {name!r}")
    return colour
