"""Two domains in CycleGAN's layout (Zhu et al. 2017): folders trainA, trainB, testA and testB.

Example:
    python -m genbench prepare data=unpaired_folder data.root=~/horse2zebra data.size=128
"""

from functools import cached_property
from typing import Any

from genbench.conditions.source_images import SourceImages
from genbench.data.base import Split
from genbench.data.folders import list_folders, list_images, one_folder_each
from genbench.data.preparation import Filter
from genbench.data.prepared import MissingDataError, PreparedData, Records
from genbench.data.sources import FolderSource
from genbench.data.store import SampleStore, UnpairedStore


class UnpairedFolder(PreparedData):
    """Images of domain B, each with an unrelated image of domain A as its condition (B, C, H, W).

    Args:
        size: side in pixels.
        filter: Pillow's filter.
        batch_size: images of a batch over all processes.
        settings: those of `PreparedData`.

    Raises:
        UserError: an argument is out of range.
    """

    name = "unpaired_folder"

    def __init__(self, *, size: int = 256, filter: Filter = "bicubic", batch_size: int = 1, **settings: Any) -> None:
        super().__init__(size=size, filter=filter, batch_size=batch_size, **settings)
        self.condition = SourceImages(self.medium.shape)

    def parts(self, split: Split) -> tuple[str, ...]:
        """The target domain B, then the source domain A."""
        return f"{split}B", f"{split}A"

    def load(self, split: Split) -> SampleStore:
        """Return both domains of a split."""
        (images, _), (sources, _) = (self.open(part) for part in self.parts(split))
        return UnpairedStore(images, sources)

    def records(self, part: str) -> Records:
        """Find a domain's images of a split.

        Raises:
            MissingDataError: the folder does not exist or has no image.
        """
        folder = self._folder(part)
        names = list_images(self.root / folder)[0] if folder else []
        if not names:
            raise MissingDataError(
                f"data.root={self.root} has no folder {part} with images: CycleGAN's layout is trainA, trainB, testA "
                "and testB"
            )
        return Records(FolderSource(self.root / str(folder), names))

    def where(self, part: str) -> str | None:
        """Return the folder of a domain's images."""
        folder = self._folder(part)
        return f"{folder}/" if folder else None

    def _folder(self, part: str) -> str | None:
        """Return a domain's folder of a split, such as TrainA or validA."""
        domain = part[-1]
        splits = [name[:-1] for name in self._folders if name[-1].upper() == domain]
        prefix = one_folder_each(self.root, splits).get(part[:-1])
        return next((name for name in self._folders if name[:-1] == prefix and name[-1].upper() == domain), None)

    @cached_property
    def _folders(self) -> list[str]:
        return list_folders(self.root)
