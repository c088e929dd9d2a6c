"""Adaptive discriminator augmentation (Karras et al. 2020, https://arxiv.org/abs/2006.06676).

All that the discriminator sees is augmented, each change of an image with probability p. As long as p is below 1 a
generator can't hide behind the augmentations: only the right distribution looks right under them (section 2.2). p
follows how much the discriminator overfits,

    r_t = E[sign D(x)]

of training images x: 0 if it can't tell them from generated ones, 1 if it knows them all. Where r_t is above its target
p rises, else it falls, so fast that it would go from 0 to 1 in `images` images (section 3).
"""

from collections.abc import Sequence
from math import pi
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from genbench.distributed import summed
from genbench.networks.warping import Warp

Kind = Literal["blit", "geometry", "color"]


class AdaptiveAugment(nn.Module):
    """Augment images with a probability that adapts.

    Args:
        target: of r_t, in the paper 0.6; None keeps the probability as it is at first.
        images: in which the probability would go from 0 to 1.
        every: steps from one change of it to the next.
        start: the probability at first.
        kinds: "blit": mirrored, turned by 90 degrees, shifted by whole pixels; "geometry": scaled, turned, stretched,
            shifted; "color": brightness, contrast, luma, hue, saturation.

    Raises:
        ValueError: an argument is out of range.
    """

    p: Tensor
    """The probability."""

    signs: Tensor
    """Since its last change: the sum of signs, and of how many outputs, in all processes."""

    def __init__(
        self,
        target: float | None = None,
        images: float = 500_000,
        every: int = 4,
        start: float = 0.0,
        kinds: Sequence[Kind] = ("blit", "geometry", "color"),
    ) -> None:
        super().__init__()
        if target is not None and not -1 < target < 1:
            raise ValueError(f"adaptive.target must be between -1 and 1, not {target}")
        if images <= 0:
            raise ValueError(f"adaptive.images must be positive, not {images}")
        if every < 1:
            raise ValueError(f"adaptive.every must be at least 1, not {every}")
        if not 0 <= start <= 1:
            raise ValueError(f"adaptive.start must be in [0, 1], not {start}")
        if not kinds or not {*kinds} <= {*get_args(Kind)}:
            raise ValueError(f"adaptive.kinds must be of {', '.join(get_args(Kind))}, not {list(kinds)}")
        self.target = target
        self.images = images
        self.every = every
        self.kinds = tuple(kinds)
        self.is_active = target is not None or start > 0
        self.warp = Warp()
        self.register_buffer("p", torch.tensor(float(start)))
        self.register_buffer("signs", torch.zeros(2))

    def observe(self, logits: Tensor) -> None:
        """Take note of the discriminator's outputs (B,) on training images, if the probability follows them."""
        if self.target is None:
            return
        signs = logits.detach().float().sign()
        self.signs += summed(torch.stack([signs.sum(), torch.ones_like(signs).sum()]))

    def adapt(self, step: int) -> None:
        """Change the probability at the end of the step of this index, if its turn has come."""
        if self.target is None or (step + 1) % self.every:
            return
        total, count = self.signs
        self.p += (total / count - self.target).sign() * count / self.images
        # What is beyond 1 would have to be made up for before anything changed.
        self.p.clamp_(0, 1)
        self.signs.zero_()

    def forward(self, images: Tensor) -> Tensor:
        """Return augmented images (B, C, H, W); the images themselves if the probability is 0 and remains so."""
        if not self.is_active:
            return images
        with torch.autocast(images.device.type, enabled=False):
            images = images.float()
            draw = _Draw(len(images), self.p)
            if {"blit", "geometry"} & {*self.kinds}:
                images = self.warp(images, inverse_maps(draw, images.shape[2], images.shape[3], self.kinds))
            return recoloured(draw, images) if "color" in self.kinds else images


class _Draw:
    """Draws changes of images, each of which has none with probability 1 - p."""

    def __init__(self, count: int, p: Tensor) -> None:
        self.count = count
        self.p = p

    def normal(self, std: float, p: Tensor | None = None) -> Tensor:
        """Return normal numbers (count,), or 0."""
        return std * torch.randn(self.count, device=self.p.device) * self._is_changed(p)

    def uniform(self, most: float, p: Tensor | None = None) -> Tensor:
        """Return numbers (count,) from (-most, most), or 0."""
        return most * (2 * torch.rand(self.count, device=self.p.device) - 1) * self._is_changed(p)

    def whole(self, count: int) -> Tensor:
        """Return whole numbers (count,) below a count, or 0."""
        return torch.randint(count, (self.count,), device=self.p.device) * self._is_changed(None)

    def _is_changed(self, p: Tensor | None) -> Tensor:
        return (torch.rand(self.count, device=self.p.device) < (self.p if p is None else p)).float()


def inverse_maps(draw: _Draw, height: int, width: int, kinds: Sequence[Kind]) -> Tensor:
    """Return maps (B, 2, 3) from places of the augmented images to places of the images, as `Warp` takes them."""
    inverse = torch.eye(3, device=draw.p.device).expand(draw.count, -1, -1)
    if "blit" in kinds:
        inverse = inverse @ _scaled(1 - 2 * draw.whole(2), torch.ones(draw.count, device=draw.p.device))
        inverse = inverse @ _turned(draw.whole(4) * (pi / 2))
        inverse = inverse @ _shifted((draw.uniform(width / 8)).round(), (draw.uniform(height / 8)).round())
    if "geometry" in kinds:
        scale = draw.normal(0.2).exp2()
        inverse = inverse @ _scaled(scale, scale)
        # Two rotations, so that stretching is in any direction; one or both with probability p.
        p = 1 - (1 - draw.p).clamp_min(0).sqrt()
        inverse = inverse @ _turned(draw.uniform(pi, p))
        stretch = draw.normal(0.2)
        inverse = inverse @ _scaled(stretch.exp2(), (-stretch).exp2())
        inverse = inverse @ _turned(draw.uniform(pi, p))
        inverse = inverse @ _shifted(draw.normal(width / 8), draw.normal(height / 8))
    return inverse[:, :2]


def recoloured(draw: _Draw, images: Tensor) -> Tensor:
    """Return images (B, C, H, W) with other colours; grey ones with another brightness and contrast, or inverted."""
    channels = images.shape[1]
    colours = 3 if channels == 3 else 1
    eye = torch.eye(colours, device=images.device)
    # Grey is where all channels are the same.
    grey = torch.full((colours, colours), 1 / colours, device=images.device)
    brightness = draw.normal(0.2)
    contrast = draw.normal(0.5).exp2()
    flip = 1 - 2 * draw.whole(2)
    matrix = contrast[:, None, None] * eye
    offset = contrast * brightness
    # A grey value's sign is changed, and what differs from it is kept.
    matrix = (eye - grey + flip[:, None, None] * grey) @ matrix
    offset = offset * flip
    if colours == 3:
        matrix = _hue(draw.uniform(pi)) @ matrix
        saturation = draw.normal(1.0).exp2()
        matrix = (grey + saturation[:, None, None] * (eye - grey)) @ matrix
    if channels not in (1, 3):
        matrix = matrix * torch.eye(channels, device=images.device)
    changed = torch.einsum("bij,bjhw->bihw", matrix, images)
    return changed + offset[:, None, None, None]


def _scaled(x: Tensor, y: Tensor) -> Tensor:
    """Return maps (B, 3, 3) back from images that are x and y times as large."""
    return torch.diag_embed(torch.stack([1 / x, 1 / y, torch.ones_like(x)], dim=1))


def _shifted(x: Tensor, y: Tensor) -> Tensor:
    """Return maps (B, 3, 3) back from images that were shifted by x and y."""
    matrix = torch.eye(3, device=x.device).repeat(len(x), 1, 1)
    matrix[:, 0, 2], matrix[:, 1, 2] = -x, -y
    return matrix


def _turned(angle: Tensor) -> Tensor:
    """Return maps (B, 3, 3) back from images that were turned by an angle."""
    matrix = torch.eye(3, device=angle.device).repeat(len(angle), 1, 1)
    matrix[:, 0, 0] = matrix[:, 1, 1] = angle.cos()
    matrix[:, 0, 1], matrix[:, 1, 0] = angle.sin(), -angle.sin()
    return matrix


def _hue(angle: Tensor) -> Tensor:
    """Return rotations (B, 3, 3) of colours about the grey axis, by Rodrigues' formula."""
    axis = 3**-0.5
    cross = axis * torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=angle.device)
    sine, cosine = angle.sin()[:, None, None], angle.cos()[:, None, None]
    return torch.eye(3, device=angle.device) + sine * cross + (1 - cosine) * cross @ cross
