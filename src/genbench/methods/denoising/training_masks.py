"""Random masks to train inpainting with: nothing known, a rectangle missing, or erased along strokes."""

from itertools import pairwise

import torch
from torch import Tensor

ALL_HIDDEN = 0.25
"""Fraction of the masks in which nothing is known. Without it a model soon forgets to draw what its caption says, as
those who fine-tuned Stable Diffusion found (StableTuner, issue 47)."""

_CORNERS = 5
"""Of a stroke, which is a line through them."""

_THICKNESS = 0.05, 0.2
"""Of a stroke, least and largest, as a fraction of the image's side."""

_LEAST = 0.1
"""Side of a rectangle, as a fraction of the image's."""


def random_masks(count: int, height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Return masks (count, 1, H, W), float32: 1 where pixels are known and 0 where they are hidden.

    In a quarter of the masks all is hidden; of the rest one half hides a rectangle and the other half a broad stroke.
    Random numbers are torch's own, as those of the noise and the times of training.

    Args:
        count: how many.
        height: of the images in pixels.
        width: of the images in pixels.
        device: where they are made.
    """
    y = (torch.arange(height, device=device).view(1, -1, 1) + 0.5) / height
    x = (torch.arange(width, device=device).view(1, 1, -1) + 0.5) / width
    kind = torch.rand(count, 1, 1, device=device)
    hidden = torch.where(kind < (1 + ALL_HIDDEN) / 2, _rectangles(count, y, x), _strokes(count, y, x))
    return (~(hidden | (kind < ALL_HIDDEN))).float().unsqueeze(1)


def _rectangles(count: int, y: Tensor, x: Tensor) -> Tensor:
    """Return the insides of rectangles, bool (count, H, W), whose sides are uniform and which lie within the image."""

    def between(places: Tensor) -> Tensor:
        side = _LEAST + (1 - _LEAST) * torch.rand(count, 1, 1, device=places.device)
        start = (1 - side) * torch.rand(count, 1, 1, device=places.device)
        return (start <= places) & (places < start + side)

    return between(y) & between(x)


def _strokes(count: int, y: Tensor, x: Tensor) -> Tensor:
    """Return strokes, bool (count, H, W): what is near a line through random corners."""
    corners = torch.rand(_CORNERS, 2, count, 1, 1, device=y.device)
    least, most = _THICKNESS
    radius = (least + (most - least) * torch.rand(count, 1, 1, device=y.device)) / 2
    near = torch.zeros(count, y.shape[1], x.shape[2], dtype=torch.bool, device=y.device)
    for (y_0, x_0), (y_1, x_1) in pairwise(corners):
        dy, dx = y_1 - y_0, x_1 - x_0
        # The place on the segment that is nearest to a pixel, from 0 to 1.
        along = ((y - y_0) * dy + (x - x_0) * dx) / (dy.square() + dx.square()).clamp_min(1e-8)
        along = along.clamp(0, 1)
        distance = (y - y_0 - along * dy).square() + (x - x_0 - along * dx).square()
        near |= distance < radius.square()
    return near
