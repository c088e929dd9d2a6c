"""How images are given to CLIP's tower, wherever they come from."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate


class Preprocessing(nn.Module):
    """Resize, crop and normalise images, differentiably, as OpenAI's `_transform` does.

    The shorter side is resized by an antialiased bicubic filter, and the centre is cropped. Images of the right size
    are left as they are, and grey ones become RGB.

    Args:
        side: of the images that the tower takes, in pixels.
        mean: of each colour, of values in [0, 1].
        std: of each colour, likewise.

    Raises:
        ValueError: there are not three of each, or a standard deviation is not above 0.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, side: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ValueError(f"mean={list(mean)} and std={list(std)} are of three colours each, std above 0")
        self.side = side
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return images (B, 3, side, side) of images (B, 1 or 3, H, W) in [-1, 1].

        Raises:
            ValueError: the images have another number of channels.
        """
        if x.shape[1] not in (1, 3):
            raise ValueError(f"images have 1 or 3 channels, not {x.shape[1]}")
        x = ((self._fitted(x) + 1) / 2).expand(-1, 3, -1, -1)
        return (x - self.mean) / self.std

    def _fitted(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if (height, width) == (self.side, self.side):
            return x
        if min(height, width) != self.side:
            # The longer side is cut down to a whole number, as torchvision's Resize does.
            height, width = (side * self.side // min(height, width) for side in (height, width))
            # A bicubic filter overshoots; pixels of a resized file do not.
            x = interpolate(x, (height, width), mode="bicubic", antialias=True).clamp(-1, 1)
        top, left = (round((side - self.side) / 2) for side in (height, width))
        return x[..., top : top + self.side, left : left + self.side]
