"""A replay buffer of generated images, which keeps the discriminator from forgetting earlier ones."""

import torch
from torch import Tensor, nn


class ImagePool(nn.Module):
    """A history of generated images (Shrivastava et al. 2017, section 2.3), as CycleGAN keeps it.

    Until it is full, each image is stored and returned. Then, with probability one half, a stored image is returned
    instead and replaced by the new one. The history is saved in checkpoints, so that a resumed run continues with it.

    Args:
        size: how many images; 0 returns each image unchanged.
        image_shape: (C, H, W).
    """

    images: Tensor
    count: Tensor

    def __init__(self, size: int, image_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(size, *image_shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))
        self._known: int | None = None
        self.register_load_state_dict_post_hook(_forget_count)

    @torch.no_grad()
    def exchange(self, images: Tensor) -> Tensor:
        """Return as many images as are given, (B, C, H, W), some of them from the history."""
        size = len(self.images)
        if size == 0:
            return images
        shown = images.clone()
        # The count is read once per session and random numbers are drawn on the CPU: both would sync a GPU.
        count = int(self.count) if self._known is None else self._known
        swaps, places = torch.rand(len(images)) < 0.5, torch.randint(size, (len(images),))
        for index, image in enumerate(images):
            if count < size:
                self.images[count] = image
                count += 1
            elif swaps[index]:
                shown[index] = self.images[places[index]]
                self.images[places[index]] = image
        if count != self._known:
            self.count.fill_(count)
            self._known = count
        return shown


def _forget_count(pool: ImagePool, _: object) -> None:
    pool._known = None
