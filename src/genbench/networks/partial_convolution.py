"""Partial convolutions, and the U-Net of them that fills in images (Liu et al. 2018, https://arxiv.org/abs/1804.07723).

A partial convolution sees only what is known, and its result is known where it saw anything (equations 1 and 2):

    x' = W^T (x * m) sum(1) / sum(m) + b   and   m' = 1   where sum(m) > 0,       else   x' = 0 and m' = 0

so that a hole gets smaller from layer to layer. The bias is not scaled; at the border of an image what lies outside
counts as unknown. Layers, widths and counts are those of a widely used port (naoto0804), as the authors published none.

Example:
    >>> network = PartialUNet((3, 64, 64), levels=4, width=16)
    >>> network(torch.randn(2, 3, 64, 64), torch.ones(2, 1, 64, 64)).shape
    torch.Size([2, 3, 64, 64])
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate

_EPSILON = 1e-8


class PartialConv2d(nn.Conv2d):
    """A convolution of what is known of maps.

    Args:
        in_channels: of the maps.
        out_channels: of the result.
        kernel_size: side of the kernel, odd.
        stride: of it.
        bias: whether there is one.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, bias: bool = True
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride=stride, padding=(kernel_size - 1) // 2, bias=bias
        )

    def partial(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return maps (B, C', H', W') and their mask (B, 1, H', W').

        Args:
            x: maps (B, C, H, W).
            mask: 1 where they are known and 0 where they are not, (B, 1, H, W), or for each channel (B, C, H, W).
        """
        known = mask.sum(1, keepdim=True) * (self.in_channels // mask.shape[1])
        ones = torch.ones(1, 1, *self.kernel_size, dtype=x.dtype, device=x.device)
        seen = conv2d(known.to(x), ones, stride=self.stride, padding=self.padding)
        after = (seen > 0).to(x)
        ratio = self.in_channels * prod(self.kernel_size) / (seen + _EPSILON)
        out = conv2d(x * mask, self.weight, stride=self.stride, padding=self.padding)
        out = out * (ratio * after)
        if self.bias is not None:
            out = out + self.bias.view(1, -1, 1, 1) * after
        return out, after


class PartialUNet(nn.Module):
    """Fill in images (B, C, H, W): an encoder and a decoder of partial convolutions, with skips of maps and of masks.

    Args:
        image_shape: (C, H, W).
        width: channels of the first maps; doubled at each level, up to eight times.
        levels: times that the side is halved; 7 of 256 pixels in the port, 8 of 512 in the paper.

    Raises:
        ValueError: the images are too small.
    """

    def __init__(self, image_shape: Sequence[int], *, width: int = 64, levels: int = 7) -> None:
        super().__init__()
        channels, height, images_width = image_shape
        if levels < 2 or min(height, images_width) < 2 ** (levels - 1):
            raise ValueError(
                f"a U-Net of levels={levels} takes images of at least {2 ** (levels - 1)} pixels, not {height} x "
                f"{images_width}, and has at least 2 levels: set network.generator.levels"
            )
        widths = [channels, *(width * min(2**level, 8) for level in range(levels))]
        kernels = [{0: 7, 1: 5, 2: 5}.get(level, 3) for level in range(levels)]
        self.encoder = nn.ModuleList(
            PartialConv2d(widths[level], widths[level + 1], kernels[level], stride=2, bias=False)
            for level in range(levels)
        )
        # Not of the first maps, which are of pixels themselves.
        self.encoder_norms = nn.ModuleList(nn.BatchNorm2d(each) for each in widths[2:])
        outputs = [*reversed(widths[1:-1]), channels]
        inputs = [widths[-1], *outputs[:-1]]
        skips = widths[-2::-1]
        self.decoder = nn.ModuleList(
            PartialConv2d(one + skip, out, 3, bias=number == levels - 1)
            for number, (one, skip, out) in enumerate(zip(inputs, skips, outputs, strict=True))
        )
        self.decoder_norms = nn.ModuleList(nn.BatchNorm2d(each) for each in outputs[:-1])
        for convolution in (*self.encoder, *self.decoder):
            nn.init.kaiming_normal_(convolution.weight)

    def forward(self, known: Tensor, mask: Tensor) -> Tensor:
        """Return whole images, of any range.

        Args:
            known: images (B, C, H, W); what is hidden of them has no influence.
            mask: 1 where they are known and 0 where they are hidden, (B, 1, H, W).
        """
        x, m = known, mask
        before: list[tuple[Tensor, Tensor]] = []
        for level, convolution in enumerate(self.encoder):
            before.append((x, m))
            x, m = convolution.partial(x, m)  # type: ignore[operator]
            x = (x if level == 0 else self.encoder_norms[level - 1](x)).relu()
        for level, convolution in enumerate(self.decoder):
            skip, skip_mask = before.pop()
            x, m = (interpolate(each, skip.shape[2:], mode="nearest") for each in (x, m))
            masks = torch.cat([m.expand(-1, x.shape[1], -1, -1), skip_mask.expand(-1, skip.shape[1], -1, -1)], dim=1)
            x, m = convolution.partial(torch.cat([x, skip], dim=1), masks)  # type: ignore[operator]
            if level < len(self.decoder_norms):
                x = nn.functional.leaky_relu(self.decoder_norms[level](x), 0.2)
        return x
