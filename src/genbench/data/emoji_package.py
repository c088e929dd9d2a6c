"""The npm packages emoji-datasource-google (Noto Emoji) and emoji-datasource-twitter (Twemoji) as they lie on disk."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, get_args

from genbench.data.prepared import MissingDataError
from genbench.errors import UserError
from genbench.files import leads_out, read_json_list

Vendor = Literal["google", "twitter"]

SKIN_TONES = {
    "1F3FB": "light",
    "1F3FC": "medium-light",
    "1F3FD": "medium",
    "1F3FE": "medium-dark",
    "1F3FF": "dark",
}
"""Names of the Fitzpatrick modifiers, by their code points."""

_VERSION = 16
_SIDE = 64

Read = TypeVar("Read")


@dataclass(frozen=True)
class EmojiPackage:
    """A package that is installed.

    Attributes:
        path: its folder.
        vendor: whose emoji they are.
        how_to_install: the command that installs it.
    """

    path: Path
    vendor: str
    how_to_install: str

    @classmethod
    def find(cls, root: Path, vendor: str) -> Self:
        """Return the package of a vendor.

        Args:
            root: its folder, or one in which it is or was installed.
            vendor: "google" or "twitter".

        Raises:
            MissingDataError: it is missing; the message says how it is installed.
        """
        name = f"emoji-datasource-{vendor}"
        install = f"npm install --prefix {root} {name}@{_VERSION}"
        for folder in (root, root / name, root / "node_modules" / name):
            if (folder / "emoji.json").is_file() and (folder / "img" / vendor).is_dir():
                return cls(folder, vendor, install)
        raise MissingDataError(f"data.root={root} has no package {name}: {install}")

    @property
    def images(self) -> Path:
        """The folder of the pictures, of 64 pixels a side."""
        return self.path / "img" / self.vendor / str(_SIDE)

    @cached_property
    def entries(self) -> list[dict[str, Any]]:
        """What `emoji.json` says of each emoji, in its order."""
        return list(read_json_list(self.path / "emoji.json"))

    def variations(self, entry: dict[str, Any]) -> dict[str, str]:
        """Return the files of an emoji that the vendor has drawn, by the code points of its skin tones, "" for none.

        Raises:
            UserError: `emoji.json` is damaged, or names a file that is not there.
        """

        def drawn(entry: dict[str, Any]) -> dict[str, str]:
            variations = {"": entry, **entry.get("skin_variations", {})}
            return {tones: one["image"] for tones, one in variations.items() if one.get(f"has_img_{self.vendor}", True)}

        found = self.read(entry, drawn)
        for image in found.values():
            if leads_out(image) or not (self.images / image).is_file():
                raise UserError(f"{self.images / image} is missing, which emoji.json names: {self.how_to_install}")
        return found

    def read(self, entry: dict[str, Any], what: Callable[[dict[str, Any]], Read]) -> Read:
        """Return what a function makes of what `emoji.json` says of an emoji.

        Raises:
            UserError: it says too little.
        """
        try:
            return what(entry)
        except (KeyError, TypeError, AttributeError) as error:
            where = self.path / "emoji.json"
            raise UserError(f"{where} has an emoji without {error}: {self.how_to_install}") from error


def check_vendor(vendor: str) -> None:
    """Check that there is a vendor of this name.

    Raises:
        UserError: there is none.
    """
    if vendor not in get_args(Vendor):
        raise UserError(f"data.vendor must be {' or '.join(get_args(Vendor))}, not {vendor!r}")
