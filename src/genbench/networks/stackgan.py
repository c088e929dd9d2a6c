"""StackGAN's two generators, and the augmentation of what a caption says (Zhang et al. 2017).

https://arxiv.org/abs/1612.03242. Widths, kernels and normalisation are those of the authors' PyTorch code; sides other
than its 64 and 256 pixels take as many doublings and halvings as lead there.

Example:
    >>> captions = Captions(["a", "bird"], 4)
    >>> generator = StageOneGenerator(100, (3, 64, 64), captions, width=16)
    >>> generator(torch.randn(2, 100 + 128), captions.encode(["a bird", "bird"])).images.shape
    torch.Size([2, 3, 64, 64])
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, normalize, relu

from genbench.choices import expect_choice
from genbench.conditions.base import Condition, Vector
from genbench.networks.conditioning import ConditionEncoder, encoder_of
from genbench.networks.dcgan import halvings_of
from genbench.networks.initialisation import initialise_normal

Activation = Literal["leaky_relu", "relu", "none"]

_BOTTLENECK = 16
"""Side down to which the second stage halves what the first one drew."""


class Drawn(NamedTuple):
    """What a generator draws of captions.

    Attributes:
        images: (B, C, S, S) in [-1, 1].
        mu: mean of what the caption says, (B, caption_dim).
        log_variance: its variance's logarithm, likewise.
    """

    images: Tensor
    mu: Tensor
    log_variance: Tensor


class ConditioningAugmentation(nn.Module):
    """What a caption says as a draw from N(mu(phi), sigma(phi)^2), phi its embedding (section 3.2).

    Args:
        condition: what rows mean: captions, which are embedded by a text encoder, or embeddings.
        caption_dim: numbers of the draw.
        embedding_dim: of the text encoder's vector; embeddings have their own length.
        activation: of mu and log sigma^2: "leaky_relu", as in the authors' first code, "relu", as in their PyTorch
            code, where mu >= 0 and sigma >= 1, or "none", as the paper writes it.
        text: builds the encoder of captions from their form and the length of its vector, see `encoder_of`.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        condition: Condition,
        caption_dim: int,
        *,
        embedding_dim: int = 256,
        activation: Activation = "leaky_relu",
        text: Callable[..., ConditionEncoder] | None = None,
    ) -> None:
        super().__init__()
        expect_choice("activation", activation, Activation)
        form = condition.form
        self.text = None
        if isinstance(form, Vector):
            embedding_dim = form.length
        else:
            self.text = encoder_of(condition, embedding_dim, (), with_null=False, text=text)
        self.to_moments = nn.Linear(embedding_dim, 2 * caption_dim)
        self.activation: Activation = activation

    def forward(self, rows: Tensor, eps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return mu + sigma eps, mu and log sigma^2, (B, caption_dim) each.

        Args:
            rows: of the condition, (B, ...).
            eps: standard normal numbers, (B, caption_dim).
        """
        moments = self.to_moments(rows if self.text is None else unit_numbers(self.text(rows).vector))
        match self.activation:
            case "leaky_relu":
                moments = leaky_relu(moments, 0.2)
            case "relu":
                moments = relu(moments)
        mu, log_variance = moments.chunk(2, dim=1)
        return mu + (log_variance / 2).exp() * eps, mu, log_variance


class StageOneGenerator(nn.Module):
    """Draw small images of noise and captions.

    Args:
        latent_dim: numbers of z.
        image_shape: (C, S, S), S even and at least 8.
        condition: what rows mean.
        width: channels of maps of half the side; halved with each doubling.
        caption_dim: numbers of what a caption says.
        embedding_dim: see `ConditioningAugmentation`.
        activation: likewise.
        text: likewise.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        latent_dim: int,
        image_shape: Sequence[int],
        condition: Condition,
        *,
        width: int = 128,
        caption_dim: int = 128,
        embedding_dim: int = 256,
        activation: Activation = "leaky_relu",
        text: Callable[..., ConditionEncoder] | None = None,
    ) -> None:
        super().__init__()
        doublings, start = halvings_of(image_shape)
        channels = [width * 2**level // 2 for level in reversed(range(doublings + 1))]
        self.latent_dim = latent_dim
        self.caption_dim = caption_dim
        self.augmentation = ConditioningAugmentation(
            condition, caption_dim, embedding_dim=embedding_dim, activation=activation, text=text
        )
        area = start**2
        self.project = nn.Sequential(
            nn.Linear(latent_dim + caption_dim, channels[0] * area, bias=False),
            nn.BatchNorm1d(channels[0] * area),
            nn.ReLU(inplace=True),
            nn.Unflatten(1, (channels[0], start, start)),
        )
        self.blocks = nn.Sequential(*[_doubling(one, other) for one, other in pairwise(channels)])
        self.to_image = nn.Sequential(_conv(channels[-1], image_shape[0]), nn.Tanh())
        for part in (self.project, self.blocks, self.to_image):
            part.apply(initialise_normal)

    def forward(self, latents: Tensor, rows: Tensor) -> Drawn:
        """Return images of latents (B, latent_dim + caption_dim), z and the augmentation's noise, and of rows."""
        z, eps = latents.split([self.latent_dim, self.caption_dim], dim=1)
        c, mu, log_variance = self.augmentation(rows, eps)
        return Drawn(self.to_image(self.blocks(self.project(torch.cat([z, c], dim=1)))), mu, log_variance)


class StageTwoGenerator(nn.Module):
    """Draw large images of small ones, which are halved down to 16 pixels, and of captions, which are joined to them.

    Args:
        image_shape: (C, S, S) of the large images.
        small_shape: (C, s, s) of the small ones, S = s times a power of two.
        condition: what rows mean.
        width: channels of the first maps; doubled with each halving.
        blocks: residual ones of the smallest maps.
        residual: whether what is drawn is added to the enlarged small image, with which training then begins; the
            paper's is drawn anew.
        caption_dim: numbers of what a caption says.
        embedding_dim: see `ConditioningAugmentation`.
        activation: likewise.
        text: likewise.

    Raises:
        ValueError: an argument is out of range, or the sides do not suit.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        small_shape: Sequence[int],
        condition: Condition,
        *,
        width: int = 128,
        blocks: int = 4,
        residual: bool = False,
        caption_dim: int = 128,
        embedding_dim: int = 256,
        activation: Activation = "leaky_relu",
        text: Callable[..., ConditionEncoder] | None = None,
    ) -> None:
        super().__init__()
        halvings, doublings = _halvings_and_doublings(small_shape, image_shape)
        self.caption_dim = caption_dim
        self.residual = residual
        self.augmentation = ConditioningAugmentation(
            condition, caption_dim, embedding_dim=embedding_dim, activation=activation, text=text
        )
        most = width * 2**halvings
        down = [_halving(width * 2**level, width * 2 ** (level + 1)) for level in range(halvings)]
        self.encoder = nn.Sequential(_conv(small_shape[0], width), nn.ReLU(inplace=True), *down)
        self.join = nn.Sequential(_conv(most + caption_dim, most), nn.BatchNorm2d(most), nn.ReLU(inplace=True))
        self.residual_blocks = nn.Sequential(*[_Residual(most) for _ in range(blocks)])
        channels = [most // 2**level for level in range(doublings + 1)]
        self.blocks = nn.Sequential(*[_doubling(one, other) for one, other in pairwise(channels)])
        self.to_image = _conv(channels[-1], image_shape[0])
        for part in (self.encoder, self.join, self.residual_blocks, self.blocks, self.to_image):
            part.apply(initialise_normal)
        if residual:
            nn.init.zeros_(self.to_image.weight)

    def forward(self, small: Tensor, eps: Tensor, rows: Tensor) -> Drawn:
        """Return images of small ones (B, C, s, s), of the augmentation's noise (B, caption_dim), and of rows."""
        c, mu, log_variance = self.augmentation(rows, eps)
        maps = self.encoder(small)
        everywhere = c[:, :, None, None].expand(-1, -1, *maps.shape[2:])
        maps = self.residual_blocks(self.join(torch.cat([maps, everywhere], dim=1)))
        out = self.to_image(self.blocks(maps))
        if not self.residual:
            return Drawn(out.tanh(), mu, log_variance)
        enlarged = interpolate(small, out.shape[2:], mode="bilinear", align_corners=False)
        return Drawn(enlarged + out, mu, log_variance)


def unit_numbers(x: Tensor) -> Tensor:
    """Return vectors (B, D) scaled to numbers whose mean square is 1."""
    return normalize(x, dim=1) * x.shape[1] ** 0.5


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


def _doubling(inputs: int, outputs: int) -> nn.Sequential:
    """Return a layer that doubles the side of maps."""
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"),
        _conv(inputs, outputs),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _halving(inputs: int, outputs: int) -> nn.Sequential:
    """Return a layer that halves it."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class _Residual(nn.Module):
    """Two convolutions whose result is added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _conv(channels, channels),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            _conv(channels, channels),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        return relu(self.layers(x) + x)


def _halvings_and_doublings(small: Sequence[int], large: Sequence[int]) -> tuple[int, int]:
    """Return how often maps of the first shape (C, s, s) are halved, and then doubled to the second, (C, S, S).

    Raises:
        ValueError: S is not s times a power of two, at least 2.
    """
    (_, *small_sides), (_, *large_sides) = small, large
    doublings = (large_sides[0] // small_sides[0]).bit_length() - 1
    if doublings < 1 or [side * 2**doublings for side in small_sides] != large_sides:
        raise ValueError(
            f"the second stage takes images 2, 4, 8, ... times as large as the first one's, not "
            f"{' x '.join(map(str, large_sides))} from {' x '.join(map(str, small_sides))}: set data.size"
        )
    halvings, side = 0, min(small_sides)
    while side > _BOTTLENECK and all(each % 2 ** (halvings + 1) == 0 for each in small_sides):
        halvings, side = halvings + 1, side // 2
    return halvings, halvings + doublings
