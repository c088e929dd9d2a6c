"""Resampling of images and feature maps by a factor of two with a lowpass filter, in plain operations of torch.

What StyleGAN2 resamples by (Karras et al. 2020, https://arxiv.org/abs/1912.04958, appendix B, after Zhang 2019): the
binomial filter [1, 3, 3, 1]. All of it can be differentiated as often as one likes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

BINOMIAL = (1.0, 3.0, 3.0, 1.0)
"""Taps of StyleGAN2's filter."""


class Lowpass(nn.Module):
    """A separable filter, whose sum is 1.

    Args:
        taps: of the filter in one direction, an even number.

    Raises:
        ValueError: their number is odd.
    """

    kernel: Tensor

    def __init__(self, taps: Sequence[float] = BINOMIAL) -> None:
        super().__init__()
        if len(taps) % 2:
            raise ValueError(f"a filter for a factor of two has an even number of taps, not {len(taps)}")
        row = torch.tensor(taps)
        self.register_buffer("kernel", torch.outer(row, row)[None, None] / row.sum().square(), persistent=False)
        self.margin = len(taps) // 2 - 1

    def up(self, x: Tensor) -> Tensor:
        """Return maps (B, C, 2 H, 2 W) of x (B, C, H, W): zeros between the pixels, filtered, four times as large."""
        # Without the products with zeros it is a transposed convolution.
        return conv_transpose2d(x, 4 * self._kernels(x), stride=2, padding=self.margin, groups=x.shape[1])

    def down(self, x: Tensor) -> Tensor:
        """Return maps (B, C, H / 2, W / 2) of x (B, C, H, W): filtered, and every second pixel of every second row."""
        return conv2d(x, self._kernels(x), stride=2, padding=self.margin, groups=x.shape[1])

    def smooth(self, x: Tensor, padding: int) -> Tensor:
        """Return filtered maps of x (B, C, H, W), with so many zeros around it."""
        return conv2d(x, self._kernels(x), padding=padding, groups=x.shape[1])

    def _kernels(self, x: Tensor) -> Tensor:
        return self.kernel.to(x).expand(x.shape[1], -1, -1, -1)
