"""Images that a generator made before, which keep its discriminator from forgetting."""

import torch
from torch import Tensor, nn


class ImagePool(nn.Module):
    """A history of generated images (Shrivastava et al. 2017, section 2.3), as CycleGAN keeps it.

    Until it is full each image is kept and shown. Then, for each, one half of the time an old image is shown in its
    place, which it replaces. The history is saved with the method, so that a resumed run goes on with it.

    Args:
        size: how many images; 0 shows each as it comes.
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
        # Read once a session, and the dice thrown on the CPU: a GPU would have to be waited for.
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
