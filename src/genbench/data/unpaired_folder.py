"""Two domains in CycleGAN's layout (Zhu et al. 2017): folders trainA, trainB, testA and testB.

Example:
    python -m genbench prepare data=unpaired_folder data.root=~/horse2zebra data.size=128
"""

from typing import Any

from genbench.data.base import Split
from genbench.data.folders import list_images
from genbench.data.preparation import Filter
from genbench.data.prepared import MissingDataError, PreparedData, Records
from genbench.data.sources import FolderSource
from genbench.data.store import ImageStore, UnpairedStore


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
        self.source_shape = self.image_shape

    def parts(self, split: Split) -> tuple[str, ...]:
        """The target domain B, then the source domain A."""
        return f"{split}B", f"{split}A"

    def load(self, split: Split) -> ImageStore:
        """Return both domains of a split."""
        (images, _), (sources, _) = (self.open(part) for part in self.parts(split))
        return UnpairedStore(images, sources)

    def records(self, part: str) -> Records:
        """Find a domain's images of a split.

        Raises:
            MissingDataError: the folder is not there or holds no image.
        """
        names, _ = list_images(self.root / part)
        if not names:
            raise MissingDataError(
                f"data.root={self.root} has no folder {part} with images: CycleGAN's layout is trainA, trainB, testA "
                "and testB"
            )
        return Records(FolderSource(self.root / part, names))
