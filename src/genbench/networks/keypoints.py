"""Key points: an hourglass that finds them, pictures of them, and a decoder of what they say of an image.

Soft-argmax: the mean place of a map, by softmax of it (Siarohin et al. 2019, https://arxiv.org/abs/2003.00196; Jakab et
al. 2018, https://arxiv.org/abs/1806.07823). Places are (x, y) in [-1, 1], from edge to edge of an image.
"""

import colorsys
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, softmax

from genbench.networks.normalisation import InstanceNorm


def soft_argmax(maps: Tensor, temperature: float) -> Tensor:
    """Return the mean places (B, P, 2) of maps (B, P, H, W), each a distribution by softmax(maps / temperature)."""
    height, width = maps.shape[-2:]
    weights = softmax(maps.flatten(2) / temperature, dim=-1).view_as(maps)
    y, x = (_middles(side, maps) for side in (height, width))
    return torch.stack([(weights.sum(2) * x).sum(-1), (weights.sum(3) * y).sum(-1)], dim=-1)


def gaussians(points: Tensor, height: int, width: int, sigma: float) -> Tensor:
    """Return maps (B, P, height, width) of Gaussians of height 1 at points (B, P, 2).

    Args:
        points: places.
        height: of the maps.
        width: of the maps.
        sigma: deviation, as a fraction of half of the image's side.
    """
    y, x = (_middles(side, points) for side in (height, width))
    across = (x - points[..., :1]).square()
    down = (y - points[..., 1:]).square()
    return (-(across[:, :, None, :] + down[:, :, :, None]) / (2 * sigma**2)).exp()


def draw_points(points: Tensor, height: int, width: int, sigma: float) -> Tensor:
    """Return pictures (B, 3, height, width) in [-1, 1] of points (B, P, 2): a blot each, of a colour of its own."""
    count = points.shape[1]
    colours = torch.tensor([colorsys.hsv_to_rgb(index / count, 1.0, 1.0) for index in range(count)]).to(points)
    blots = gaussians(points, height, width, sigma)[:, :, None] * colours[:, :, None, None]
    return 2 * blots.amax(1) - 1


def _middles(side: int, like: Tensor) -> Tensor:
    """Return the places of the middles of so many pixels between -1 and 1."""
    return (torch.arange(side, device=like.device, dtype=like.dtype) + 0.5) * (2 / side) - 1


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), InstanceNorm(outputs, affine=True), nn.ReLU())


class Hourglass(nn.Module):
    """Map images (B, C, H, W) to maps (B, P, H / shrink, W / shrink) of where key points are.

    A U-Net as in First Order Motion: halvings by pooling, doublings by repeated pixels, with a skip at each size.

    Args:
        image_shape: (C, H, W).
        points: P.
        width: channels of the first map, doubled with each halving.
        most: channels of a map at most.
        depth: halvings.
        shrink: how many times as small images are made first.

    Raises:
        ValueError: the side can't be halved so often.
    """

    def __init__(self, image_shape: Sequence[int], points: int, width: int, most: int, depth: int, shrink: int) -> None:
        super().__init__()
        channels, height, width_of_image = image_shape
        if height % (shrink * 2**depth) or width_of_image % (shrink * 2**depth):
            raise ValueError(
                f"images of {height} x {width_of_image} pixels can't be made {shrink} times as small and then halved "
                f"{depth} times"
            )
        self.shrink = shrink
        widths = [min(width * 2**level, most) for level in range(depth + 1)]
        self.first = _convolution(channels, widths[0])
        self.down = nn.ModuleList(_convolution(*pair) for pair in pairwise(widths))
        self.up = nn.ModuleList(
            _convolution(widths[level] + widths[level - 1], widths[level - 1]) for level in range(depth, 0, -1)
        )
        self.to_maps = nn.Conv2d(widths[0], points, 5, padding=2)

    def forward(self, images: Tensor) -> Tensor:
        """Return the maps, before softmax."""
        x = self.first(avg_pool2d(images, self.shrink) if self.shrink > 1 else images)
        skips = []
        for block in self.down:
            skips.append(x)
            x = block(avg_pool2d(x, 2))
        for block in self.up:
            x = block(torch.cat([interpolate(x, scale_factor=2), skips.pop()], dim=1))
        maps: Tensor = self.to_maps(x)
        return maps


class KeypointAutoencoder(nn.Module):
    """Find key points, and draw an image of them and of another image's appearance (Jakab et al. 2018, figure 2).

    The appearance is a map of a quarter of the side; of the image itself the decoder is given P places alone.

    Args:
        image_shape: (C, H, W), whose sides are multiples of 4.
        points: P.
        width: channels of the largest maps of both networks.
        most: channels of a map at most.
        depth: halvings of the hourglass.
        shrink: see `Hourglass`.
        blocks: convolutions between appearance and image.
        temperature: of soft-argmax.
        sigma: deviation of the Gaussians that the decoder is given, as a fraction of half of the side.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        points: int,
        width: int = 32,
        most: int = 1024,
        depth: int = 5,
        shrink: int = 4,
        blocks: int = 2,
        temperature: float = 0.1,
        sigma: float = 0.1,
    ) -> None:
        super().__init__()
        channels = image_shape[0]
        self.temperature, self.sigma = temperature, sigma
        self.hourglass = Hourglass(image_shape, points, width, most, depth, shrink)
        self.appearance = nn.Sequential(
            _convolution(channels, width), nn.AvgPool2d(2), _convolution(width, 2 * width), nn.AvgPool2d(2),
            _convolution(2 * width, 2 * width),
        )  # fmt: skip
        inner = [_convolution(2 * width + 2 * points, 2 * width)]
        inner += [_convolution(2 * width, 2 * width) for _ in range(blocks)]
        self.inner = nn.Sequential(*inner)
        self.outer = nn.Sequential(
            nn.Upsample(scale_factor=2), _convolution(2 * width, width), nn.Upsample(scale_factor=2),
            _convolution(width, width), nn.Conv2d(width, channels, 3, padding=1), nn.Tanh(),
        )  # fmt: skip

    def find(self, images: Tensor) -> Tensor:
        """Return key points (B, P, 2) of images (B, C, H, W)."""
        return soft_argmax(self.hourglass(images), self.temperature)

    def draw(self, source: Tensor, at: Tensor, points: Tensor) -> Tensor:
        """Return images (B, C, H, W) that look like a source and have key points.

        Args:
            source: images (B, C, H, W).
            at: their key points (B, P, 2).
            points: those of the result, likewise.
        """
        appearance = self.appearance(source)
        height, width = appearance.shape[-2:]
        blots = [gaussians(each, height, width, self.sigma) for each in (at, points)]
        images: Tensor = self.outer(self.inner(torch.cat([appearance, *blots], dim=1)))
        return images

    def forward(self, source: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return images drawn anew, by a source's appearance and their own key points, and these points."""
        points = self.find(images)
        return self.draw(source, self.find(source), points), points
