"""Two domains of digits without pairs: a small real task for translation between domains.

Example:
    >>> next(iter(TwoDomains("digits_tilted").train_dataloader())).condition.shape
    torch.Size([64, 1, 32, 32])
"""

from typing import Literal

from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import rotate

from genbench.conditions.source_images import SourceImages
from genbench.data.base import DataSet, Split
from genbench.data.edges2digits import digit_data
from genbench.data.store import SampleStore, UnpairedStore
from genbench.errors import UserError

Domains = Literal["digits_mnist", "mnist_tilted", "digits_tilted"]

_TILT = 30.0


class TwoDomains(DataSet):
    """Images of domain B, each with an unrelated image of domain A as its condition (B, 1, size, size).

    - "digits_mnist": A is scikit-learn's digits, B is MNIST.
    - "mnist_tilted": A is every other image of MNIST, B the rest, inverted and tilted by 30 degrees.
    - "digits_tilted": the same with scikit-learn's digits, which need no files.

    Args:
        domains: which two.
        root: folder of MNIST.
        download: whether MNIST may be downloaded.
        size: side in pixels.
        batch_size: images of a batch over all processes.
        seed: seed of the training order.

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(
        self,
        domains: Domains = "digits_mnist",
        root: str = "data",
        download: bool = True,
        size: int = 32,
        batch_size: int = 64,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, seed)
        if domains not in ("digits_mnist", "mnist_tilted", "digits_tilted"):
            raise UserError(f"data.domains must be digits_mnist, mnist_tilted or digits_tilted, not {domains!r}")
        source, target = domains.split("_")
        self._source = digit_data(source, root, size, download)
        self._target = None if target == "tilted" else digit_data(target, root, size, download)
        self.name = f"two_domains_{domains}"
        self.medium = self._source.medium
        self.condition = SourceImages(self.medium.shape)

    def prepare_data(self) -> None:
        """Download MNIST if it is needed and missing."""
        for data in (self._source, self._target):
            if data is not None:
                data.prepare_data()

    def load(self, split: Split) -> SampleStore:
        """Return both domains of a split, uint8 (N, 1, size, size) each."""
        images = self._source.store(split).samples[:]
        if self._target is not None:
            return UnpairedStore(self._target.store(split).samples, images)
        # No digit is in both domains; otherwise the task would have hidden pairs.
        return UnpairedStore(invert_and_tilt(images[1::2]), images[::2])


def invert_and_tilt(images: Tensor) -> Tensor:
    """Return uint8 images (N, 1, H, W) tilted by 30 degrees to the left, then with black and white exchanged."""
    return 255 - rotate(images, _TILT, InterpolationMode.BILINEAR)
