"""Random views of pictures, for a CLIP to look at: one view alone is soon fooled by what nobody would see in it.

Crowson et al. 2022 (https://arxiv.org/abs/2204.08583, section 3.2): crops of random sizes, and as later versions have
it the whole picture, turned, moved and seen in perspective; each with a little noise.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

_PROBABILITY = 0.7
"""Of each kind of distortion of a view."""

_ANGLE, _SHEAR, _SHIFT, _PERSPECTIVE = math.radians(15), math.radians(5), 0.1, 0.2
"""The most that a view is turned, sheared, moved (as a fraction of the side) and distorted, at a strength of 1."""


class Cutouts:
    """N views of each picture, of the picture's own size.

    Args:
        count: N.
        least: side of the smallest crop, as a fraction of the picture's; 1 for no crops.
        power: of the uniform number in [0, 1] by which a crop's side is drawn: above 1 for smaller ones.
        distortion: how much views are turned, moved, sheared and seen in perspective; 0 for not at all.
        noise: largest deviation of the noise of a view, of values in [0, 1].

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self, count: int = 32, least: float = 0.5, power: float = 1.0, distortion: float = 0.0, noise: float = 0.1
    ) -> None:
        if count < 1:
            raise ValueError(f"cutouts.count must be at least 1, not {count}")
        if not 0 < least <= 1:
            raise ValueError(f"cutouts.least must be in (0, 1], not {least}")
        if power <= 0 or distortion < 0 or noise < 0:
            raise ValueError(
                f"cutouts.power={power} must be positive, cutouts.distortion={distortion} and noise={noise} at least 0"
            )
        self.count = count
        self.least = least
        self.power = power
        self.distortion = distortion
        self.noise = noise

    def __call__(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        """Return views (B, N, C, H, W) of pictures (B, C, H, W) in [-1, 1], differentiable.

        Args:
            pictures: what is looked at.
            generator: of the CPU, which draws the views.
        """
        drawn = torch.rand(len(pictures), self.count, 12, generator=generator).to(pictures)
        crops, distortions, noise = drawn.split([3, 8, 1], dim=-1)
        matrices = self._crops(crops) @ self._distortions(distortions)
        views = project(pictures.repeat_interleave(self.count, 0), matrices.flatten(0, 1))
        views = views.unflatten(0, (len(pictures), self.count))
        if self.noise:
            normal = torch.randn(views.shape, generator=generator).to(pictures)
            # Values in [-1, 1] have twice the range of those in [0, 1].
            views = views + 2 * self.noise * noise[..., None, None] * normal
        return views

    def _crops(self, drawn: Tensor) -> Tensor:
        """Return the maps (B, N, 3, 3) from places of a view to those of the picture, in [-1, 1], for crops."""
        size, across, down = drawn.unbind(-1)
        side = self.least + size**self.power * (1 - self.least)
        return _matrix([[side, 0, (1 - side) * (2 * across - 1)], [0, side, (1 - side) * (2 * down - 1)], [0, 0, 1]])

    def _distortions(self, drawn: Tensor) -> Tensor:
        """Return the maps of what views are distorted by, likewise."""
        if not self.distortion:
            return torch.eye(3).to(drawn)
        affine, projective = ((drawn[..., number, None] < _PROBABILITY).to(drawn) for number in (0, 1))
        signed = self.distortion * (2 * drawn[..., 2:] - 1)
        angle, shear, x, y = (affine * signed[..., :4]).unbind(-1)
        angle, shear, x, y = _ANGLE * angle, _SHEAR * shear, 2 * _SHIFT * x, 2 * _SHIFT * y
        turned = _matrix([[angle.cos(), shear - angle.sin(), x], [angle.sin(), angle.cos(), y], [0, 0, 1]])
        bent = (_PERSPECTIVE * projective * signed[..., 4:]).unbind(-1)
        return turned @ _matrix([[1, 0, 0], [0, 1, 0], [*bent, 1]])


def project(pictures: Tensor, matrices: Tensor) -> Tensor:
    """Return pictures (B, C, H, W) seen through projective maps, bilinear; what is outside is their reflection.

    Args:
        pictures: (B, C, H, W).
        matrices: (B, 3, 3), from homogeneous places (x, y, 1) of the result to those of the picture, both in [-1, 1].
    """
    height, width = pictures.shape[2:]
    y, x = torch.meshgrid(
        *((torch.arange(side, device=pictures.device) * 2 + 1) / side - 1 for side in (height, width)), indexing="ij"
    )
    places = torch.stack([x, y, torch.ones_like(x)], dim=-1).to(pictures)
    seen = torch.einsum("bij,hwj->bhwi", matrices, places)
    grid = seen[..., :2] / seen[..., 2:]
    return grid_sample(pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _matrix(rows: list[list[Tensor | float]]) -> Tensor:
    """Return matrices (B, N, 3, 3) of entries that are (B, N), or numbers, the same for all."""
    like = next(entry for row in rows for entry in row if isinstance(entry, Tensor))
    entries = [torch.as_tensor(entry).to(like).expand(like.shape) for row in rows for entry in row]
    return torch.stack(entries, dim=-1).unflatten(-1, (3, 3))
