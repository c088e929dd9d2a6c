"""The networks of StarGAN v2 (Choi et al. 2020, appendix, tables 5 to 8).

The generator makes an image of a source and of a style code s, by which adaptive instance norm (AdaIN, Huang and
Belongie 2017) sets the mean and deviation of its maps. Style codes are of latents, by the mapping network, or of
reference images, by the style encoder. Both, and the discriminator, have an output for each domain.

Example:
    >>> generator = StarGANv2Generator(image_shape=(3, 64, 64), style_dim=64)
    >>> generator(torch.randn(2, 3, 64, 64), torch.randn(2, 64)).shape
    torch.Size([2, 3, 64, 64])
"""

import itertools
from collections.abc import Sequence
from math import log2, sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from genbench.networks.normalisation import InstanceNorm

_LEAK = 0.2


class AdaIN(nn.Module):
    """(1 + gamma(s)) (x - mean) / deviation + beta(s), by the statistics of each map; the affine map of s is learnt.

    Args:
        style_dim: numbers of s.
        channels: of the maps.
    """

    def __init__(self, style_dim: int, channels: int) -> None:
        super().__init__()
        self.norm = InstanceNorm(channels)
        self.affine = nn.Linear(style_dim, 2 * channels)

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        """Return maps like x (B, C, H, W), of styles (B, style_dim)."""
        gamma, beta = self.affine(s)[:, :, None, None].chunk(2, dim=1)
        y: Tensor = (1 + gamma) * self.norm(x) + beta
        return y


class DownBlock(nn.Module):
    """A residual block with activation before its convolutions, over sqrt 2 to keep the variance.

    Args:
        inputs: channels.
        outputs: channels.
        norm: whether instance norm with scale and shift comes before each activation.
        halves: whether maps are made half as large, by averaging.
    """

    def __init__(self, inputs: int, outputs: int, *, norm: bool = False, halves: bool = False) -> None:
        super().__init__()
        make_norm = (lambda: InstanceNorm(inputs, affine=True)) if norm else nn.Identity
        self.norm_1, self.norm_2 = make_norm(), make_norm()
        self.convolution_1 = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.convolution_2 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False) if inputs != outputs else nn.Identity()
        self.act = nn.LeakyReLU(_LEAK)
        self.halves = halves

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (B, outputs, H, W), or half as large."""
        shortcut: Tensor = self.skip(x)
        y = self.convolution_1(self.act(self.norm_1(x)))
        if self.halves:
            shortcut, y = avg_pool2d(shortcut, 2), avg_pool2d(y, 2)
        residual: Tensor = self.convolution_2(self.act(self.norm_2(y)))
        return (shortcut + residual) / sqrt(2)


class StyledBlock(nn.Module):
    """A residual block with AdaIN, which may make its maps twice as large.

    Args:
        inputs: channels.
        outputs: channels.
        style_dim: numbers of a style.
        doubles: whether maps are made twice as large, by repeating pixels.
        shortcut: whether the input is added, over sqrt 2.
    """

    def __init__(
        self, inputs: int, outputs: int, style_dim: int, *, doubles: bool = False, shortcut: bool = True
    ) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = AdaIN(style_dim, inputs), AdaIN(style_dim, outputs)
        self.convolution_1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.convolution_2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        # Files have these weights also where no shortcut uses them.
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False) if inputs != outputs else nn.Identity()
        self.act = nn.LeakyReLU(_LEAK)
        self.doubles = doubles
        self.shortcut = shortcut

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        """Return maps (B, outputs, H, W), or twice as large, of maps and styles (B, style_dim)."""
        y = self.act(self.norm_1(x, s))
        if self.doubles:
            x, y = (interpolate(each, scale_factor=2, mode="nearest") for each in (x, y))
        y = self.convolution_2(self.act(self.norm_2(self.convolution_1(y), s)))
        return (y + self.skip(x)) / sqrt(2) if self.shortcut else y


class StarGANv2Generator(nn.Module):
    """Map images and styles to images: halvings with instance norm, doublings with AdaIN, down to 16 pixels.

    Args:
        image_shape: (C, S, S), S a power of 2, at least 32.
        style_dim: numbers of a style.
        width: channels of maps of S pixels are width / S ...
        most: ... and at most so many further in.
        shortcuts: whether blocks of the decoder add their input. The authors' models of faces have none there, and
            skip connections masked by a face's landmarks in their place, which are left out here; they also halve once
            more, to 8 pixels.

    Raises:
        ValueError: the side is no such power.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        style_dim: int,
        width: int = 2**14,
        most: int = 512,
        shortcuts: bool = True,
    ) -> None:
        super().__init__()
        channels, side, _ = image_shape
        halvings = _levels(side) - 4 + (not shortcuts)
        maps = [max(1, width // side)]
        for _ in range(halvings):
            maps.append(min(2 * maps[-1], most))
        self.from_image = nn.Conv2d(channels, maps[0], 3, padding=1)
        down = [DownBlock(maps[level], maps[level + 1], norm=True, halves=True) for level in range(halvings)]
        up = [
            StyledBlock(maps[level + 1], maps[level], style_dim, doubles=True, shortcut=shortcuts)
            for level in reversed(range(halvings))
        ]
        self.encoder = nn.ModuleList([*down, *(DownBlock(maps[-1], maps[-1], norm=True) for _ in range(2))])
        self.decoder = nn.ModuleList(
            [*(StyledBlock(maps[-1], maps[-1], style_dim, shortcut=shortcuts) for _ in range(2)), *up]
        )
        self.to_image = nn.Sequential(
            InstanceNorm(maps[0], affine=True), nn.LeakyReLU(_LEAK), nn.Conv2d(maps[0], channels, 1)
        )
        self.apply(initialise_he)

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        """Return images (B, C, S, S), of no bounds, of source images and styles (B, style_dim)."""
        x = self.from_image(x)
        for block in self.encoder:
            x = block(x)
        for block in self.decoder:
            x = block(x, s)
        image: Tensor = self.to_image(x)
        return image


class StarGANv2Mapping(nn.Module):
    """Map latents to styles: four layers for all domains, then four for each.

    Args:
        latent_dim: numbers of z.
        style_dim: numbers of a style.
        domains: how many.
        width: of the hidden layers.
    """

    def __init__(self, latent_dim: int, style_dim: int, domains: int, width: int = 512) -> None:
        super().__init__()
        self.shared = _connected([latent_dim, *[width] * 4], last_active=True)
        self.heads = nn.ModuleList(_connected([*[width] * 4, style_dim], last_active=False) for _ in range(domains))
        self.apply(initialise_he)

    def forward(self, z: Tensor, domain: Tensor) -> Tensor:
        """Return styles (B, style_dim) of latents (B, latent_dim) for domains (B,)."""
        return of_domain(self.shared(z), self.heads, domain)


class StarGANv2StyleEncoder(nn.Module):
    """Map images to their styles, as images of a domain.

    Args:
        image_shape: (C, S, S), S a power of 2, at least 8.
        style_dim: numbers of a style.
        domains: how many.
        width: see `StarGANv2Generator`.
        most: likewise.
    """

    def __init__(
        self, image_shape: Sequence[int], style_dim: int, domains: int, width: int = 2**14, most: int = 512
    ) -> None:
        super().__init__()
        self.features, channels = _features(image_shape, width, most)
        self.heads = nn.ModuleList(nn.Linear(channels, style_dim) for _ in range(domains))
        self.apply(initialise_he)

    def forward(self, x: Tensor, domain: Tensor) -> Tensor:
        """Return styles (B, style_dim) of images (B, C, S, S) of domains (B,)."""
        return of_domain(self.features(x).flatten(1), self.heads, domain)


class StarGANv2Discriminator(nn.Module):
    """Map images to logits: whether they are real images of a domain.

    Args:
        image_shape: (C, S, S), S a power of 2, at least 8.
        domains: how many.
        width: see `StarGANv2Generator`.
        most: likewise.
    """

    def __init__(self, image_shape: Sequence[int], domains: int, width: int = 2**14, most: int = 512) -> None:
        super().__init__()
        self.features, channels = _features(image_shape, width, most)
        self.to_logits = nn.Conv2d(channels, domains, 1)
        self.apply(initialise_he)

    def forward(self, x: Tensor, domain: Tensor) -> Tensor:
        """Return a logit of each image (B, C, S, S), by the output of its domain (B,)."""
        logits: Tensor = self.to_logits(self.features(x)).flatten(1)
        return logits[torch.arange(len(x), device=x.device), domain]


def of_domain(h: Tensor, heads: nn.ModuleList, domain: Tensor) -> Tensor:
    """Return of vectors h (B, D) what the head of each one's domain (B,) makes of it.

    All heads see all vectors, so that each has a gradient, of zero where no vector is of its domain.
    """
    every = torch.stack([head(h) for head in heads], dim=1)
    return every[torch.arange(len(h), device=h.device), domain]


def initialise_he(module: nn.Module) -> None:
    """Draw weights from normal(0, sqrt(2 / fan_in)) and set biases to zero, in place (He et al. 2015)."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _features(image_shape: Sequence[int], width: int, most: int) -> tuple[nn.Sequential, int]:
    """Return what maps images to features of one pixel, and how many there are."""
    channels, side, _ = image_shape
    maps = max(1, width // side)
    layers: list[nn.Module] = [nn.Conv2d(channels, maps, 3, padding=1)]
    for _ in range(_levels(side) - 2):
        layers.append(DownBlock(maps, min(2 * maps, most), halves=True))
        maps = min(2 * maps, most)
    layers += [nn.LeakyReLU(_LEAK), nn.Conv2d(maps, maps, 4), nn.LeakyReLU(_LEAK)]
    return nn.Sequential(*layers), maps


def _connected(widths: Sequence[int], *, last_active: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*(layers if last_active else layers[:-1]))


def _levels(side: int) -> int:
    """Return the logarithm of a side to base 2.

    Raises:
        ValueError: it is no whole number of at least 5.
    """
    level = log2(side)
    if not level.is_integer() or level < 5:
        raise ValueError(f"StarGAN v2 takes images whose side is a power of 2, at least 32, not {side}")
    return int(level)
