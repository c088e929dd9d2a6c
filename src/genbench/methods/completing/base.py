"""What methods that fill in images by one call of a network have in common.

In training each image is hidden in part by a mask of its own. A sample is a held-out image, filled in where a mask that
depends on the image alone hides it, so that the samples of two methods are of the same images and the same holes. What
is known is kept exactly.
"""

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from genbench.batch import Batch
from genbench.conditions.masked_images import MaskedImages, MaskKind, center_mask, own_masks
from genbench.errors import UserError
from genbench.medium import Images
from genbench.methods.averaging import AveragedNetwork
from genbench.methods.base import GenerativeMethod
from genbench.random_masks import random_masks
from genbench.randomness import Noise


class CompletingMethod(GenerativeMethod):
    """Fill in images whose hidden part is "random", a rectangle or a stroke, or always the "center"."""

    derives_condition = True

    medium: Images
    condition: MaskedImages
    masks: MaskKind
    average: AveragedNetwork

    margin = 0
    """Pixels by which a hidden center is less than half of the image, at each of its edges."""

    @abstractmethod
    def complete(self, network: Callable[..., Tensor], known: Tensor, mask: Tensor) -> Tensor:
        """Return a network's whole images (B, C, H, W), those that are known among them.

        Args:
            network: the one in training, or its average.
            known: images (B, C, H, W).
            mask: 1 where they are known and 0 where they are hidden, (B, 1, H, W).
        """

    def condition_of(self, batch: Batch) -> Tensor:
        """Return the images of a batch with a mask of each that depends on it alone, see `MaskedImages`."""
        return self.condition.pack(batch.x, own_masks(batch.x, self.masks, self.margin))

    def fresh_masks(self, x: Tensor) -> Tensor:
        """Return masks (B, 1, H, W) for a step with images (B, C, H, W)."""
        if self.masks == "center":
            return own_masks(x, self.masks, self.margin)
        return random_masks(len(x), x.shape[2], x.shape[3], x.device, all_hidden=0.0)

    @torch.no_grad()
    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return filled-in images (count, C, H, W) in [-1, 1]; they use no noise.

        Args:
            count: how many.
            condition: rows (count, C + 1, H, W) of `MaskedImages`.
            noise: of no use.

        Raises:
            ValueError: the rows are missing or invalid.
        """
        rows = self.check_condition(condition, count)
        assert rows is not None
        known, mask = self.condition.split(rows)
        return self.inpaint(known, mask, noise=noise)

    @torch.no_grad()
    def inpaint(self, known: Tensor, mask: Tensor, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images whose missing part is filled in, see `FillsIn`.

        Args:
            known: images (B, C, H, W) in [-1, 1].
            mask: 1 where they are known and 0 where they are not, (H, W) or (B, 1, H, W).
            condition: None: there is nothing that could be asked for.
            noise: of no use.

        Raises:
            ValueError: something is asked for.
            UserError: the hole reaches beyond the center, which alone this model fills in.
        """
        if condition is not None:
            raise ValueError("it fills in images by what is known of them alone, and takes no condition")
        known, mask = known.to(self.device), mask.to(self.device).to(known.dtype)
        mask = mask.expand(len(known), 1, *known.shape[2:])
        if self.masks == "center" and ((1 - mask) * center_mask(*known.shape[2:]).to(mask)).any():
            raise UserError(
                "this model was trained to fill in the center alone (method.masks=center): give mask=center, or take "
                "one that was trained with method.masks=random"
            )
        images = self.complete(self.average.module, known * mask, mask).clamp(-1, 1)
        return torch.where(mask.bool(), known, images)
