"""StyleGAN2's networks (Karras et al. 2020, https://arxiv.org/abs/1912.04958): mapping, synthesis and discriminator.

With the default settings those of configuration F, and with those of experiments that of StyleGAN2-ADA
(https://arxiv.org/abs/2006.06676, appendix D).

Example:
    >>> generator = StyleGANGenerator(latent_dim=512, image_shape=(3, 64, 64), width=2048)
    >>> generator(torch.randn(4, 512)).shape
    torch.Size([4, 3, 64, 64])
"""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import cast

import torch
from torch import Tensor, nn

from genbench.networks.resampling import Lowpass
from genbench.networks.stylegan_layers import EqualisedConv, EqualisedLinear, StyledLayer, ToImage

_LEAST = 4
"""Pixels that a side of the smallest maps has at least; of images of 2^k pixels it has exactly as many."""


def normalised(x: Tensor) -> Tensor:
    """Return vectors (B, D) divided by the root of their mean square."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def channels_at(side: int, width: int, most: int) -> int:
    """Return the channels of maps of so many pixels a side, at least one."""
    return max(1, min(width // side, most))


class MappingNetwork(nn.Module):
    """Map latents z, and what an image shows, to w.

    Args:
        latent_dim: numbers of z; 0 for none, which only a discriminator's has.
        w_dim: numbers of w.
        condition_dim: numbers of what is shown, such as classes of which one is 1; 0 for none.
        layers: fully connected ones.
        rate: factor of their learning rate.
    """

    def __init__(
        self, latent_dim: int, w_dim: int, condition_dim: int = 0, *, layers: int = 8, rate: float = 0.01
    ) -> None:
        super().__init__()
        self.embed = EqualisedLinear(condition_dim, w_dim) if condition_dim else None
        widths = [latent_dim + (w_dim if condition_dim else 0), *[w_dim] * layers]
        self.layers = nn.Sequential(
            *[EqualisedLinear(one, other, rate=rate, active=True) for one, other in pairwise(widths)]
        )

    def forward(self, z: Tensor | None, shown: Tensor | None = None) -> Tensor:
        """Return w (B, w_dim) of z (B, latent_dim) and of what is shown, (B, condition_dim)."""
        inputs = [] if z is None else [normalised(z.float())]
        if self.embed is not None:
            assert shown is not None
            inputs.append(normalised(self.embed(shown)))
        w: Tensor = self.layers(torch.cat(inputs, dim=1))
        return w


class SynthesisBlock(nn.Module):
    """The layers of one resolution: maps are doubled, and what they add to the image is added to it.

    Args:
        inputs: channels of the maps before; 0 of the first block, which begins with a learnt map.
        outputs: channels.
        side: of the maps, in pixels.
        image_channels: of the image.
        w_dim: numbers of w.
        clamp: see `StyleGANGenerator`.
    """

    def __init__(
        self, inputs: int, outputs: int, side: int, image_channels: int, w_dim: int, clamp: float | None
    ) -> None:
        super().__init__()
        if inputs:
            self.doubling = StyledLayer(inputs, outputs, w_dim, side, doubles=True, clamp=clamp)
            self.lowpass = Lowpass()
        else:
            self.start = nn.Parameter(torch.randn(outputs, side, side))
        self.layer = StyledLayer(outputs, outputs, w_dim, side, clamp=clamp)
        self.to_image = ToImage(outputs, image_channels, w_dim, clamp=clamp)
        self.is_first = not inputs
        self.styles = 1 if self.is_first else 2
        """Layers that add detail; the one that adds to the image takes the style of the layer after them."""

    def channels(self, w: Tensor) -> list[Tensor]:
        """Return the scales (B, C_l) of the channels of each layer, that to the image last, of w (B, L, w_dim)."""
        first = [] if self.is_first else [self.doubling.style(w[:, 0])]
        return [*first, self.layer.style(w[:, self.styles - 1]), self.to_image.style(w[:, self.styles])]

    def forward(self, x: Tensor | None, image: Tensor | None, channels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return maps and image of those before, None of the first block, and of the scales of its channels."""
        *first, own, last = channels
        if self.is_first:
            x = self.start.expand(len(own), -1, -1, -1)
        else:
            assert x is not None
            x = self.doubling(x, first[0])
        x = self.layer(x, own)
        added: Tensor = self.to_image(x, last).float()
        return x, added if image is None else self.lowpass.up(image) + added


class StyleGANGenerator(nn.Module):
    """Map latents to images (B, C, S, S), in about [-1, 1]: a mapping network, and a synthesis network of skips.

    w are as many as layers, `styles`; all of an image are the same unless two images' are mixed. The moving average of
    w, `mean_style`, is that towards which truncation leads.

    Args:
        latent_dim: numbers of z.
        image_shape: (C, S, S), S even and at least 8, in the papers a power of two.
        condition_dim: numbers of what an image shows; 0 for none.
        w_dim: numbers of w.
        width: channels of maps of S pixels are width / S ...
        most: ... and at most so many.
        mapping_layers: layers of the mapping network.
        mapping_rate: factor of their learning rate.
        style_decay: of the moving average of w, for each batch.
        clamp: largest magnitude of maps, which only half precision needs; None for any.

    Raises:
        ValueError: the images are not square, or S is odd or less than 8.
    """

    mean_style: Tensor

    def __init__(
        self,
        latent_dim: int,
        image_shape: Sequence[int],
        condition_dim: int = 0,
        *,
        w_dim: int = 512,
        width: int = 32768,
        most: int = 512,
        mapping_layers: int = 8,
        mapping_rate: float = 0.01,
        style_decay: float = 0.995,
        clamp: float | None = 256.0,
    ) -> None:
        super().__init__()
        sides = sides_of(image_shape)
        self.mapping = MappingNetwork(latent_dim, w_dim, condition_dim, layers=mapping_layers, rate=mapping_rate)
        channels = [0, *[channels_at(side, width, most) for side in sides]]
        self.blocks = nn.ModuleList(
            SynthesisBlock(inputs, outputs, side, image_shape[0], w_dim, clamp)
            for side, inputs, outputs in zip(sides, channels, channels[1:], strict=False)
        )
        self.latent_dim = latent_dim
        self.w_dim = w_dim
        self.styles = 2 * len(sides)
        self.style_decay = style_decay
        self.register_buffer("mean_style", torch.zeros(w_dim))

    def forward(self, z: Tensor, shown: Tensor | None = None) -> Tensor:
        """Return images of latents z (B, latent_dim), and of what they show, (B, condition_dim)."""
        return self.synthesise(self.repeated(self.mapping(z, shown)))

    def repeated(self, w: Tensor) -> Tensor:
        """Return w (B, w_dim) for each layer, (B, styles, w_dim)."""
        return w[:, None].expand(-1, self.styles, -1)

    def synthesise(self, w: Tensor) -> Tensor:
        """Return images (B, C, S, S) of w (B, styles, w_dim)."""
        return self.synthesise_channels(self.channels(w))

    def channels(self, w: Tensor) -> list[Tensor]:
        """Return the scales (B, C_l) of the channels of all layers, of w (B, styles, w_dim).

        It is the space S of Wu et al. 2021 (https://arxiv.org/abs/2011.12799): of each block two layers, of the first
        one, and that to the image.
        """
        found: list[Tensor] = []
        first = 0
        for block in self.synthesis:
            found += block.channels(w[:, first:])
            first += block.styles
        return found

    def synthesise_channels(self, channels: Sequence[Tensor]) -> Tensor:
        """Return images (B, C, S, S) of the scales of all channels."""
        x = image = None
        first = 0
        for block in self.synthesis:
            x, image = block(x, image, channels[first : first + block.styles + 1])
            first += block.styles + 1
        assert image is not None
        return image

    @property
    def synthesis(self) -> list[SynthesisBlock]:
        """The blocks, from the smallest resolution."""
        return cast(list[SynthesisBlock], [*self.blocks])

    @torch.no_grad()
    def follow(self, mean: Tensor) -> None:
        """Take the mean w of a batch, (w_dim,), into the moving average."""
        self.mean_style.lerp_(mean.to(self.mean_style), 1 - self.style_decay)


class DiscriminatorBlock(nn.Module):
    """Two convolutions, of which the second halves the maps, with a skip beside them or none.

    Args:
        inputs: channels.
        outputs: channels.
        has_skip: whether it is a residual block.
        clamp: see `StyleGANDiscriminator`.
    """

    def __init__(self, inputs: int, outputs: int, *, has_skip: bool, clamp: float | None) -> None:
        super().__init__()
        # Of a sum of two the deviation is sqrt 2 times as large.
        gain = sqrt(0.5) if has_skip else 1.0
        self.layer = EqualisedConv(inputs, inputs, clamp=clamp)
        self.halving = EqualisedConv(inputs, outputs, halves=True, gain=gain, clamp=clamp)
        self.skip = (
            EqualisedConv(inputs, outputs, 1, halves=True, bias=False, active=False, gain=gain) if has_skip else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (B, outputs, H / 2, W / 2) of maps x (B, inputs, H, W)."""
        y: Tensor = self.halving(self.layer(x))
        return y if self.skip is None else self.skip(x) + y


class StyleGANDiscriminator(nn.Module):
    """Map images (B, C, S, S) to logits (B,), with the deviation among images as a feature.

    What an image shows is mapped to a vector, whose product with the image's is the logit (Miyato and Koyama 2018).

    Args:
        image_shape: (C, S, S), S even and at least 8, in the papers a power of two.
        condition_dim: numbers of what an image shows; 0 for none.
        width: channels of maps of S pixels are width / S ...
        most: ... and at most so many.
        has_skips: whether blocks are residual.
        group: images among which the deviation is taken; a batch of fewer is a group.
        mapping_layers: of the mapping of what is shown.
        clamp: largest magnitude of maps, which only half precision needs; None for any.

    Raises:
        ValueError: the images are not square, or S is odd or less than 8.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        condition_dim: int = 0,
        *,
        width: int = 32768,
        most: int = 512,
        has_skips: bool = True,
        group: int = 4,
        mapping_layers: int = 8,
        clamp: float | None = 256.0,
    ) -> None:
        super().__init__()
        sides = sides_of(image_shape)[::-1]
        channels = [channels_at(side, width, most) for side in sides]
        self.from_image = EqualisedConv(image_shape[0], channels[0], 1, clamp=clamp)
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(inputs, outputs, has_skip=has_skips, clamp=clamp)
            for inputs, outputs in pairwise(channels)
        )
        last = channels[-1]
        self.group = group
        self.layer = EqualisedConv(last + 1, last, clamp=clamp)
        self.connected = EqualisedLinear(last * sides[-1] ** 2, last, active=True)
        self.output = EqualisedLinear(last, last if condition_dim else 1)
        self.mapping = MappingNetwork(0, last, condition_dim, layers=mapping_layers) if condition_dim else None

    def forward(self, images: Tensor, shown: Tensor | None = None) -> Tensor:
        """Return a logit for each image, and what it is said to show, (B, condition_dim)."""
        maps = self.features(images)[-1]
        vectors = self.output(self.connected(self.layer(with_deviation(maps.float(), self.group)).flatten(1)))
        if self.mapping is None:
            return vectors.flatten()
        embedded = self.mapping(None, shown)
        return (vectors * embedded).sum(1) / sqrt(embedded.shape[1])

    def features(self, images: Tensor) -> list[Tensor]:
        """Return the maps (B, channels, H, W) of each resolution, from the image's own to the smallest."""
        maps = [self.from_image(images)]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return maps


def with_deviation(x: Tensor, group: int) -> Tensor:
    """Return maps (B, C + 1, H, W): the last channel is the mean deviation among images (Karras et al. 2017).

    Images i, i + B / group, ... are a group: the deviation of each number of their maps, of which the mean is taken. A
    generator whose images are alike is found out by it.

    Args:
        x: maps (B, C, H, W); B a multiple of the group, or less than it.
        group: images of a group.
    """
    count = min(group, len(x))
    if len(x) % count:
        # The last batch of a set need not be whole.
        count = next(size for size in range(count, 0, -1) if len(x) % size == 0)
    grouped = x.unflatten(0, (count, len(x) // count))
    deviation = (grouped.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    return torch.cat([x, deviation.repeat(count)[:, None, None, None].expand(-1, 1, *x.shape[2:])], dim=1)


def sides_of(image_shape: Sequence[int]) -> list[int]:
    """Return the sides of all maps, from the smallest, of at least 4 pixels, to the image's own.

    Raises:
        ValueError: the images are not square, or their side is odd or less than 8.
    """
    _, height, width = image_shape
    sides = [height]
    while sides[0] % 2 == 0 and sides[0] // 2 >= _LEAST:
        sides.insert(0, sides[0] // 2)
    if height != width or len(sides) == 1:
        raise ValueError(
            f"StyleGAN needs square images of an even side of at least 8 pixels, not {height} x {width}: set data.size"
        )
    return sides
