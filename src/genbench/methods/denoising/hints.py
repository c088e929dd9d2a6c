"""What a network that is trained to fill in images is given beside x_t: the known part of an image, and its mask.

Nichol et al. 2022 (https://arxiv.org/abs/2112.10741, section 3.2). The hints are further channels: the image, zero
where it is not known, and the mask, 1 where it is.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from genbench.diffusion.estimates import Denoise, Estimate
from genbench.methods.denoising.base import DenoisingMethod
from genbench.random_masks import random_masks
from genbench.randomness import Noise

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


def hinted_at_random(network: Network, x_0: Tensor) -> Network:
    """Return a network in training, which is given what random masks leave of samples x_0 (B, C, H, W)."""
    return hinted(network, x_0, random_masks(len(x_0), x_0.shape[2], x_0.shape[3], x_0.device))


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


@torch.no_grad()
def fill(method: DenoisingMethod, known: Tensor, mask: Tensor, y: Tensor | None, noise: Noise) -> Tensor:
    """Return images that a method's sampler fills in, their known pixels exactly those given.

    Args:
        method: whose averaged network is given hints.
        known: images (B, C, H, W).
        mask: 1 where they are known and 0 where they are not, (B, 1, H, W).
        y: rows of the condition, as `denoise_by` takes them.
        noise: source of random numbers.
    """
    estimate = method.denoise_by(hinted(method.average.module, known, mask), y, guidance=method.guidance)
    samples = method.sample_by(keeping(estimate, known, mask), method.draw_from(noise, len(known)))
    # Not every sampler ends with an estimate.
    return torch.where(mask.bool(), known, samples)


def with_room(name: str, weight: Tensor, shape: torch.Size, channels: int) -> Tensor | None:
    """Return a first convolution's weights with zeros for the hints; None if it is another tensor, or does not fit.

    Args:
        name: of the tensor.
        weight: of a network without hints, (width, planes, k, k). Of patches each pixel is a plane, and the planes of a
            channel follow each other.
        shape: of the weights of the same network with hints, which come after x_t.
        channels: of the images.
    """
    hints = channels + 1
    is_first = name.split(".")[-2:] == ["from_image", "weight"]
    planes, left = divmod(shape[1] - weight.shape[1], hints) if is_first else (0, 0)
    if planes < 1 or left or weight.shape[1] % planes or weight[:, :1].shape != (shape[0], 1, *shape[2:]):
        return None
    before, behind = weight[:, : planes * channels], weight[:, planes * channels :]
    return torch.cat([before, weight.new_zeros(shape[0], planes * hints, *shape[2:]), behind], dim=1)
