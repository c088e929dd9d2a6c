"""Two domains in CycleGAN's layout (Zhu et al. 2017): folders trainA, trainB, testA and testB.

Example:
    python -m genbench prepare data=unpaired_folder data.root=~/horse2zebra data.size=128
"""

from genbench.data.base import Split
from genbench.data.folders import list_images
from genbench.data.preparation import Crop, Filter, Preparation
from genbench.data.prepare import OnError
from genbench.data.prepared import MissingDataError, PreparedData, Records
from genbench.data.sources import FolderSource
from genbench.data.store import ImageStore, UnpairedStore


class UnpairedFolder(PreparedData):
    """Images of domain B, each with an unrelated image of domain A as its condition (B, C, H, W).

    Args:
        root: folder of the four folders.
        prepared: folder of the prepared stores.
        size: side in pixels.
        crop: see `Preparation`.
        filter: Pillow's filter.
        channels: 3 for RGB, 1 for grey.
        workers: processes that decode; as many as there are cores if None.
        on_error: "stop" or "skip".
        batch_size: images of a batch over all processes.
        seed: seed of the training order.
        flip: whether half of the training images are mirrored.

    Raises:
        UserError: an argument is out of range.
    """

    name = "unpaired_folder"

    def __init__(
        self,
        root: str = "data",
        prepared: str = "data/prepared",
        size: int = 256,
        crop: Crop = "crop_then_resize",
        filter: Filter = "bicubic",
        channels: int = 3,
        workers: int | None = None,
        on_error: OnError = "stop",
        batch_size: int = 1,
        seed: int = 0,
        flip: bool = False,
    ) -> None:
        super().__init__(
            root=root,
            prepared=prepared,
            preparation=Preparation(size, crop, filter, channels),
            workers=workers,
            on_error=on_error,
            batch_size=batch_size,
            seed=seed,
            flip=flip,
            shuffle="full",
        )

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
