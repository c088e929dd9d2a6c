"""A folder of images with captions, in the layouts that people have: see `caption_layouts`.

Example:
    python -m genbench prepare data=captioned_folder data.root=~/birds data.size=64
"""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, get_args

from genbench.data.caption_layouts import Layout, read_layout, recognise
from genbench.data.captioned import Captioned, CaptionedImages
from genbench.data.folders import list_images, one_folder_each, split_folders
from genbench.data.holding_out import check_test_every, held_out
from genbench.data.prepare_progress import say
from genbench.data.prepared import MissingDataError
from genbench.data.sources import FolderSource
from genbench.errors import UserError, near

_LOOKED_FOR = (
    "metadata.jsonl or metadata.csv with file_name and text (Hugging Face's imagefolder), x.txt beside x.jpg, "
    "captions_*.json here or in annotations/ (COCO), text_c10/<class>/<image>.txt (CUB and Oxford flowers)"
)


class CaptionedFolder(CaptionedImages):
    """Images with one or several captions each.

    Splits are those of the layout (COCO's, and StackGAN's of the birds and flowers), or the folders `train`, `val` and
    `test`, with the variants of `ImageFolder`. If there is no test split, images whose name has a certain hash are held
    out: an image stays in its split whatever is added or removed.

    Args:
        name: of the data set in scores and stores: letters, digits, _ and -.
        layout: "metadata", "pairs", "coco" or "text_c10", see `caption_layouts`; recognised if None.
        test_every: one image of so many is held out if there is no test split; 0 for none.
        settings: those of `CaptionedImages`. `on_error="skip"` also leaves out images without a caption and captions
            without an image.

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(
        self,
        name: str = "captioned_folder",
        *,
        layout: Layout | None = None,
        test_every: int = 10,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        if not re.fullmatch(r"[\w-]+", name):
            raise UserError(f"data.name may hold letters, digits, _ and -, not {name!r}")
        if layout is not None and layout not in get_args(Layout):
            raise UserError(f"there is no data.layout={layout}{near(layout, get_args(Layout))}")
        check_test_every(test_every)
        self.name = name
        self.layout = layout
        self.test_every = test_every

    @cached_property
    def found(self) -> dict[str, Captioned]:
        """The images of each split, with their captions.

        Raises:
            MissingDataError: there is no image.
            UserError: there are no captions, in no layout or in several, or one is invalid; an image has none.
        """
        texts, given = self._annotated
        splits = self._divide(given or self._by_folder(list(texts)), list(texts))
        return {
            split: Captioned(FolderSource(self.root, names), [texts[name] for name in names])
            for split, names in splits.items()
            if names
        }

    def undivided(self) -> str:
        """Use all images of the folder as "train", unless it has a test split."""
        self.test_every = 0
        return "the training images of the folder, which are all if it has no test split"

    def where(self, part: str) -> str | None:
        """Return in which layout the captions were found, and of images held out by their names how many are."""
        try:
            layout, given = self._layout, self._annotated[1] or self._by_folder(list(self._annotated[0]))
        except MissingDataError:
            return None
        is_held_out = part == "test" and not {"val", "test"} & set(given.values())
        return f"{layout}, one in {self.test_every} held out" if is_held_out else layout

    @cached_property
    def _images(self) -> list[str]:
        images = list_images(self.root)[0]
        if not images:
            raise MissingDataError(f"data.root={self.root} holds no image: give the folder of the images and captions")
        return images

    @cached_property
    def _layout(self) -> Layout:
        there = recognise(self.root, self._images)
        if self.layout is not None:
            if self.layout not in there:
                raise UserError(f"data.root={self.root} has no captions of data.layout={self.layout}: {_LOOKED_FOR}")
            return self.layout
        if not there:
            raise UserError(f"data.root={self.root} has images and no captions: looked for {_LOOKED_FOR}")
        if len(there) > 1:
            raise UserError(
                f"data.root={self.root} has captions in the layouts {' and '.join(there)}: choose one of them, as in "
                f"data.layout={there[0]}"
            )
        return there[0]

    @cached_property
    def _annotated(self) -> tuple[dict[str, list[str]], dict[str, str]]:
        """The captions of all images in order, and the splits that the layout has; nothing is missing."""
        read = read_layout(self.root, self._images, self._layout)
        bare = [f"{self.root / image} has no caption" for image in read.images if image not in read.texts]
        for what, some in (("images without a caption", bare), ("captions without an image", read.strays)):
            if some and self.on_error == "stop":
                more = f", one of {len(some):,} {what}" if len(some) > 1 else ""
                raise UserError(f"{some[0]}{more}: mend it, or set data.on_error=skip to leave such out")
            if some:
                say(f"{self.root}: {len(some):,} {what} are left out, the first: {some[0]}")
        texts = {image: read.texts[image] for image in read.images if image in read.texts}
        if not texts:
            raise UserError(f"data.root={self.root} has no image with a caption")
        return texts, read.splits

    def _divide(self, given: Mapping[str, str], names: list[str]) -> dict[str, list[str]]:
        splits: dict[str, list[str]] = {"train": [], "val": [], "test": []}
        if not given:
            given = dict.fromkeys(names, "train")
        if not (kept := {name: given[name] for name in names if name in given}):
            raise UserError(f"data.root={self.root}: its lists of training and test images name none of its images")
        if len(kept) < len(names):
            say(f"{self.root}: {len(names) - len(kept):,} images are in no list of a split, and are left out")
        there = set(kept.values())
        for name, split in kept.items():
            if "test" not in there:
                split = "test" if split == "val" or ("val" not in there and held_out(name, self.test_every)) else split
            splits[split].append(name)
        return splits

    def _by_folder(self, names: list[str]) -> dict[str, str]:
        """Return the split of each image by the folder at the top that it is in; {} if these are no folders of splits.

        They are if the images without a caption are in such: else the test images would be trained on.
        """
        tops = _tops(names)
        if not split_folders(set(tops.values())) or "train" not in split_folders(set(_tops(self._images).values())):
            return {}
        single = {folder: split for split, folder in one_folder_each(self.root, set(tops.values())).items()}
        for name in names:
            if tops.get(name) not in single:
                raise UserError(
                    f"{self.root} has folders of splits ({', '.join(sorted(single))}) and also {name}: remove it"
                )
        return {name: single[top] for name, top in tops.items()}

    def _identity(self, part: str) -> dict[str, Any]:
        return {**super()._identity(part), "layout": self.layout, "test_every": self.test_every}


def _tops(names: list[str]) -> dict[str, str]:
    """Return the folder at the top that each image is in; none for those that are in no folder."""
    return {name: PurePosixPath(name).parts[0] for name in names if "/" in name}
