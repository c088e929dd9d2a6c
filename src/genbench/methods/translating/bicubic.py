"""Bicubic interpolation: what every super-resolution is compared with. There is nothing to train.

Example:
    python -m genbench data=digits method=bicubic method.factor=2 steps=0
"""

from torch import Tensor
from torch.nn.functional import interpolate

from genbench.batch import Batch
from genbench.conditions.derived import LowResolution
from genbench.conditions.source_images import SourceImages
from genbench.medium import Images, Medium
from genbench.methods.assembled import Assembled
from genbench.randomness import Noise


class Bicubic(Assembled):
    """Enlarge images that were made smaller by a whole factor.

    Args:
        medium: what a sample is; images.
        factor: by which an image is enlarged.

    Raises:
        ValueError: `factor` is out of range, or no divisor of the sides.
    """

    medium: Images
    condition: SourceImages
    derives_condition = True

    def __init__(self, medium: Medium, *, factor: int = 4) -> None:
        super().__init__()
        self.shrink = LowResolution(factor)
        self.condition = self.shrink.condition(medium)
        assert isinstance(medium, Images)
        self.medium = medium

    def condition_of(self, batch: Batch) -> Tensor:
        """Return the images of a batch in low resolution."""
        return self.shrink(batch.x)

    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images (count, C, H, W) in [-1, 1] of small ones; it uses no noise.

        Raises:
            ValueError: the small images are missing or invalid.
        """
        low = self.check_condition(condition, count)
        assert low is not None
        large: Tensor = interpolate(low, self.medium.shape[1:], mode="bicubic", align_corners=False)
        return large.clamp(-1, 1)
