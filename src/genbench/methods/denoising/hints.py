"""What a network that is trained to fill in images is given beside x_t: the known part of an image, and its mask.

Nichol et al. 2022 (https://arxiv.org/abs/2112.10741, section 3.2). The hints are further channels: the image, zero
where it is not known, and the mask, 1 where it is.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from genbench.diffusion.estimates import Denoise, Estimate

Network = Callable[..., Tensor]


def hinted(network: Network, known: Tensor, mask: Tensor) -> Network:
    """Return a network that is given the known part of images.

    Args:
        network: is called with the hints as `extra`; further channels come after them.
        known: images (B, C, H, W).
        mask: 1 where they are known and 0 where they are not, (B, 1, H, W).
    """
    hints = torch.cat([known * mask, mask], dim=1)

    def call(*given: Any, extra: Tensor | None = None, **more: Any) -> Tensor:
        return network(*given, extra=hints if extra is None else torch.cat([hints, extra], dim=1), **more)

    return call


def unhinted(network: Network) -> Network:
    """Return a network that is given hints of which no pixel is known."""

    def call(x_t: Tensor, *given: Any, **more: Any) -> Tensor:
        nothing = torch.zeros_like(x_t)
        return hinted(network, nothing, nothing[:, :1])(x_t, *given, **more)

    return call


def keeping(denoise: Denoise, known: Tensor, mask: Tensor) -> Denoise:
    """Return a denoiser whose estimates of x_0 have the known pixels, as in the authors' code."""

    def kept(x_t: Tensor, t: Tensor) -> Estimate:
        estimate = denoise(x_t, t)
        return estimate._replace(x_0=torch.where(mask.bool(), known, estimate.x_0))

    return kept


def with_room(weight: Tensor, shape: torch.Size, hints: int, *, after: int) -> Tensor | None:
    """Return the weights of a first convolution with zeros for the hints; None if they don't become the shape.

    Args:
        weight: of a network without hints, (width, planes, k, k). Of patches each pixel is a plane, and the planes of a
            channel follow each other.
        shape: of the weights of the same network with hints.
        hints: channels.
        after: channels that come before the hints, those of x_t.
    """
    planes, left = divmod(shape[1] - weight.shape[1], hints)
    if planes < 1 or left or weight.shape[1] % planes or weight[:, :1].shape != (shape[0], 1, *shape[2:]):
        return None
    before, behind = weight[:, : planes * after], weight[:, planes * after :]
    return torch.cat([before, weight.new_zeros(shape[0], planes * hints, *shape[2:]), behind], dim=1)
