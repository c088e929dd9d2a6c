"""Images warped by an affine map, which can be differentiated as often as one likes.

torch's `grid_sample` can be differentiated once. It is linear in the images, so the gradient of its gradient is itself.
"""

from math import ceil
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample, pad

from genbench.networks.resampling import Lowpass

SYM6 = (
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466,
    0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578,
    0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip
"""The lowpass filter of the wavelet sym6 (Daubechies 1992), by which images are made twice as large for it."""

_DELAY = ((len(SYM6) - 1) / 2 - sum(place * tap for place, tap in enumerate(SYM6)) / sum(SYM6)) / 2
"""Pixels by which the filter, whose centre is not its middle, moves an image.

The authors take 0.25; with it a mirrored image is three times as far from the mirror image.
"""

_BORDER = 3
"""Pixels around the result that the filter sees."""


class Warp(nn.Module):
    """Warp images about their centre; what comes in is their reflection (Karras et al. 2020b, appendix B)."""

    def __init__(self) -> None:
        super().__init__()
        self.lowpass = Lowpass(SYM6)

    def forward(self, images: Tensor, inverse: Tensor) -> Tensor:
        """Return warped images.

        Args:
            images: (B, C, H, W), float32.
            inverse: matrices (B, 2, 3) that map a place of the result to a place of the image, (x, y, 1) -> (x, y), in
                pixels from the centre.
        """
        height, width = images.shape[2:]
        across, down = self._margins(inverse, height, width)
        padded = pad(images, (across, across, down, down), mode="reflect")
        large = self.lowpass.up(padded)
        sides = torch.tensor([width, height], device=images.device)
        result = (sides + 2 * _BORDER).to(inverse) / 2
        source = (sides + 2 * torch.tensor([across, down], device=images.device)).to(inverse) / 2
        # The filter moves an image up and to the left, and back only where it is not warped.
        linear = inverse[:, :, :2]
        offset = inverse[:, :, 2:] + _DELAY * (linear.sum(2, keepdim=True) - 1)
        theta = torch.cat([linear * result, offset], dim=2) / source[:, None]
        shape = [len(images), images.shape[1], 2 * (height + 2 * _BORDER), 2 * (width + 2 * _BORDER)]
        warped: Tensor = _Sampled.apply(large, affine_grid(theta, shape, align_corners=False))
        return self.lowpass.down(warped)[:, :, _BORDER:-_BORDER, _BORDER:-_BORDER]

    @staticmethod
    def _margins(inverse: Tensor, height: int, width: int) -> tuple[int, int]:
        """Return how many pixels of reflection are seen at the sides, and above and below; less than there are."""
        x, y = width / 2 + _BORDER, height / 2 + _BORDER
        corners = torch.tensor([[-x, -y, 1], [x, -y, 1], [-x, y, 1], [x, y, 1]]).to(inverse)
        farthest = (inverse @ corners.T).abs().amax((0, 2)).tolist()
        # The filter's taps, too.
        needed = [ceil(far - side / 2) + len(SYM6) // 2 for far, side in zip(farthest, (width, height), strict=True)]
        return min(max(needed[0], 0), width - 1), min(max(needed[1], 0), height - 1)


class _Sampled(torch.autograd.Function):
    """`grid_sample` of images (B, C, H, W) at a grid (B, H', W', 2), bilinear."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = images.shape
        return grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        return _Spread.apply(gradients[0], grid, ctx.shape), None


class _Spread(torch.autograd.Function):
    """The transpose of `_Sampled`: each value goes to the pixels that it came from."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        # Of the images only the shape matters: 0 is bilinear, and zeros around them.
        images = values.new_empty(shape)
        spread: Tensor = torch.ops.aten.grid_sampler_2d_backward(
            values.contiguous(), images, grid, 0, 0, False, (True, False)
        )[0]
        return spread

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (grid,) = ctx.saved_tensors
        return _Sampled.apply(gradients[0], grid), None, None
