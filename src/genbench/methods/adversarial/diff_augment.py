"""Differentiable augmentation (Zhao et al. 2020, https://arxiv.org/abs/2006.10738), for training GANs on few images.

All that the discriminator sees is augmented, real and generated images alike, in both networks' updates:

    min_G max_D  E[log D(T(x))] + E[log(1 - D(T(G(z))))]

T is random and differentiable, so D can't memorise the real images, and G is not led to generate augmented ones. The
magnitudes are those of the authors' code. T keeps no value in the range of images: brightness may lead out of it.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

Augmentation = Literal["color", "translation", "cutout"]


class DiffAugment:
    """Augment each image of a batch at random, by each of the chosen kinds in order.

    Args:
        policy: "color" (brightness, saturation and contrast), "translation" and "cutout"; empty for no augmentation.

    Raises:
        ValueError: a kind is unknown or chosen twice.
    """

    def __init__(self, policy: Sequence[Augmentation] = ()) -> None:
        for kind in policy:
            if kind not in _KINDS:
                raise ValueError(f"augment must be a list of {', '.join(_KINDS)}, not of {kind!r}")
        if len(set(policy)) < len(policy):
            raise ValueError(f"augment={list(policy)} has a kind twice: the list names each at most once")
        self.policy = tuple(policy)

    def __call__(self, images: Tensor) -> Tensor:
        """Return augmented images (B, C, H, W)."""
        for kind in self.policy:
            images = _KINDS[kind](images)
        return images


def change_color(images: Tensor) -> Tensor:
    """Add to the brightness from [-1/2, 1/2], scale the saturation by [0, 2] and the contrast by [1/2, 3/2]."""
    images = images + (_uniform(images) - 0.5)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * (_uniform(images) * 2)
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * (_uniform(images) + 0.5)


def translate(images: Tensor) -> Tensor:
    """Shift by up to an eighth of each side, by whole pixels; what comes in is 0."""
    height, width = images.shape[-2:]
    down, right = int(height / 8 + 0.5), int(width / 8 + 0.5)
    padded = pad(images, (right, right, down, down))
    rows = _first(images, 0, 2 * down) + torch.arange(height, device=images.device)
    columns = _first(images, 0, 2 * right) + torch.arange(width, device=images.device)
    return _at(padded, rows, columns)


def cut_out(images: Tensor) -> Tensor:
    """Set a rectangle of half of each side to 0; its centre is anywhere, so it may lie partly outside."""
    sizes = images.shape[-2:]
    inside = []
    for size in sizes:
        length = int(size / 2 + 0.5)
        first = _first(images, 0, size - length % 2) - length // 2
        places = torch.arange(size, device=images.device)
        inside.append((places >= first) & (places < first + length))
    rows, columns = inside
    return images * ~(rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1)


def _at(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the pixels of images (B, C, H, W) at rows (B, H') and columns (B, W'): (B, C, H', W')."""
    images = images.gather(2, rows[:, None, :, None].expand(-1, images.shape[1], -1, images.shape[3]))
    return images.gather(3, columns[:, None, None, :].expand(-1, images.shape[1], images.shape[2], -1))


def _uniform(images: Tensor) -> Tensor:
    return torch.rand(len(images), 1, 1, 1, device=images.device, dtype=images.dtype)


def _first(images: Tensor, least: int, most: int) -> Tensor:
    return torch.randint(least, most + 1, (len(images), 1), device=images.device)


_KINDS = {"color": change_color, "translation": translate, "cutout": cut_out}
