"""Emoji with their names, from the npm packages emoji-datasource-google (Noto Emoji) and -twitter (Twemoji).

Example:
    npm install --prefix data emoji-datasource-google@16
    python -m genbench prepare data=emoji data.root=data data.vendor=google
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image, ImageColor

from genbench.data.captioned import Captioned, CaptionedImages
from genbench.data.holding_out import check_test_every, held_out
from genbench.data.preparation import Preparation, decode
from genbench.data.prepared import MissingDataError
from genbench.data.sources import FolderSource
from genbench.errors import UserError
from genbench.files import leads_out, read_json_list

Vendor = Literal["google", "twitter"]

_VERSION = 16
_SIDE = 64

SKIN_TONES = {
    "1F3FB": "light",
    "1F3FC": "medium-light",
    "1F3FD": "medium",
    "1F3FE": "medium-dark",
    "1F3FF": "dark",
}
"""Names of the Fitzpatrick modifiers, by their code points."""


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
        if vendor not in get_args(Vendor):
            raise UserError(f"data.vendor must be {' or '.join(get_args(Vendor))}, not {vendor!r}")
        check_test_every(test_every)
        self.vendor = vendor
        self.name = f"emoji_{vendor}"
        self.background = _colour(background)
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
        package = self._package()
        folder = package / "img" / self.vendor / str(_SIDE)
        images: dict[str, list[str]] = {"train": [], "test": []}
        texts: dict[str, list[list[str]]] = {"train": [], "test": []}
        for entry in read_json_list(package / "emoji.json"):
            split = "test" if held_out(str(entry.get("unified")), self.test_every) else "train"
            for image, captions in self._variations(entry, package):
                if leads_out(image) or not (folder / image).is_file():
                    raise UserError(f"{folder / image} is missing, which emoji.json names: {self._how_to_install}")
                images[split].append(image)
                texts[split].append(captions)
        return {
            split: Captioned(FolderSource(folder, images[split]), texts[split]) for split in images if images[split]
        }

    def where(self, part: str) -> str | None:
        """Return how the emoji of a split were chosen."""
        return f"one emoji in {self.test_every}, held out with its skin tones" if part == "test" else None

    def _variations(self, entry: dict[str, Any], package: Path) -> Iterator[tuple[str, list[str]]]:
        """Yield the images of an emoji that the vendor has, without a skin tone and with each, and their captions."""
        try:
            variations = {"": entry, **entry.get("skin_variations", {})}
            for tones, variation in variations.items():
                if variation.get(f"has_img_{self.vendor}", True):
                    yield variation["image"], emoji_captions(entry, tones)
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{package / 'emoji.json'} has an emoji without {error}: {self._how_to_install}") from error

    def _package(self) -> Path:
        name = f"emoji-datasource-{self.vendor}"
        for folder in (self.root, self.root / name, self.root / "node_modules" / name):
            if (folder / "emoji.json").is_file() and (folder / "img" / self.vendor).is_dir():
                return folder
        raise MissingDataError(f"data.root={self.root} has no package {name}: {self._how_to_install}")

    @property
    def _how_to_install(self) -> str:
        return f"npm install --prefix {self.root} emoji-datasource-{self.vendor}@{_VERSION}"

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


def skin_tones_of(caption: str) -> list[str]:
    """Return the skin tones that a caption of `emoji_captions` names, such as ["medium-light"]; [] for none."""
    tone = "|".join(SKIN_TONES.values())
    found = re.search(rf", ((?:{tone})(?: and (?:{tone}))?) skin tone", caption)
    return found[1].split(" and ") if found else []


def _colour(name: str) -> tuple[int, int, int]:
    try:
        colour = ImageColor.getrgb(name)
    except ValueError as error:
        raise UserError(f"data.background must be a colour such as white or #f0f0f0, not {name!r}") from error
    if len(colour) != 3:
        raise UserError(f"data.background must be a colour without transparency, not {name!r}")
    return colour
