"""Random masks of inpainting: nothing known, a rectangle missing, or erased along strokes."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

Uniform = Callable[..., Tensor]
"""Draws numbers from [0, 1) in a shape."""

ALL_HIDDEN = 0.25
"""Fraction of the masks in which nothing is known. Without it a model soon forgets to draw what its caption says, as
those who fine-tuned Stable Diffusion found (StableTuner, issue 47)."""

_CORNERS = 5
"""Of a stroke, which is a line through them."""

_THICKNESS = 0.05, 0.2
"""Of a stroke, least and largest, as a fraction of the image's side."""

_LEAST = 0.1
"""Side of a rectangle, as a fraction of the image's."""


def random_masks(
    count: int,
    height: int,
    width: int,
    device: torch.device | str = "cpu",
    *,
    all_hidden: float = ALL_HIDDEN,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return masks (count, 1, H, W), float32: 1 where pixels are known and 0 where they are hidden.

    Of those in which something is known one half hides a rectangle and the other half a broad stroke.

    Args:
        count: how many.
        height: of the images in pixels.
        width: of the images in pixels.
        device: where they are made.
        all_hidden: fraction of the masks in which nothing is known.
        generator: of the random numbers; None for torch's own, as those of the noise and the times of training.
    """

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, device=device, generator=generator)

    y = (torch.arange(height, device=device).view(1, -1, 1) + 0.5) / height
    x = (torch.arange(width, device=device).view(1, 1, -1) + 0.5) / width
    kind = uniform(count, 1, 1)
    is_rectangle = kind < (1 + all_hidden) / 2
    hidden = torch.where(is_rectangle, _rectangles(count, y, x, uniform), _strokes(count, y, x, uniform))
    return (~(hidden | (kind < all_hidden))).float().unsqueeze(1)


def _rectangles(count: int, y: Tensor, x: Tensor, uniform: Uniform) -> Tensor:
    """Return the insides of rectangles, bool (count, H, W), whose sides are uniform and which lie within the image."""

    def between(places: Tensor) -> Tensor:
        side = _LEAST + (1 - _LEAST) * uniform(count, 1, 1)
        start = (1 - side) * uniform(count, 1, 1)
        return (start <= places) & (places < start + side)

    return between(y) & between(x)


def _strokes(count: int, y: Tensor, x: Tensor, uniform: Uniform) -> Tensor:
    """Return strokes, bool (count, H, W): what is near a line through random corners."""
    corners = uniform(_CORNERS, 2, count, 1, 1)
    least, most = _THICKNESS
    radius = (least + (most - least) * uniform(count, 1, 1)) / 2
    near = torch.zeros(count, y.shape[1], x.shape[2], dtype=torch.bool, device=y.device)
    for (y_0, x_0), (y_1, x_1) in pairwise(corners):
        dy, dx = y_1 - y_0, x_1 - x_0
        # The place on the segment that is nearest to a pixel, from 0 to 1.
        along = ((y - y_0) * dy + (x - x_0) * dx) / (dy.square() + dx.square()).clamp_min(1e-8)
        along = along.clamp(0, 1)
        distance = (y - y_0 - along * dy).square() + (x - x_0 - along * dx).square()
        near |= distance < radius.square()
    return near
