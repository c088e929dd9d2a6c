"""NCSN++ and DDPM++, the networks of score-based models (Song et al. 2021, https://arxiv.org/abs/2011.13456, H).

A U-Net of BigGAN's residual blocks. NCSN++ resamples by a FIR filter, joins the noisy image to the encoder at every
resolution and knows the time by random Fourier features; DDPM++ has none of these. EDM (Karras et al. 2022) has both,
with other widths, and denoising diffusion GANs (Xiao et al. 2022) have NCSN++ with norms that adapt to a latent.

Example:
    >>> NCSNpp((3, 32, 32))(torch.randn(2, 3, 32, 32), torch.rand(2)).shape  # DDPM++ for CIFAR-10
    torch.Size([2, 3, 32, 32])
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from genbench.conditions.base import Condition
from genbench.networks.conditioning import encoder_of
from genbench.networks.ncsnpp_blocks import (
    Attention,
    InputPyramid,
    Pyramid,
    Resample,
    Resampling,
    ResidualBlock,
    ToImage,
    initialise,
    initialise_by_outputs,
)
from genbench.networks.time_embedding import TimeFeatures, embed_time
from genbench.networks.unet_levels import expect_side

_SINUSOIDS = 1000
"""What `embed_time` itself multiplies times by, for sinusoids."""


class EncoderLevel(nn.Module):
    """A resolution of the encoder: halve the side unless it is the first, then residual blocks."""

    def __init__(self, halving: nn.Module | None, pyramid: nn.Module | None, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.halving = halving
        self.pyramid = pyramid
        self.blocks = nn.ModuleList(blocks)

    def forward(
        self, x: Tensor, joined: Tensor, embedding: Tensor, latent: Tensor | None
    ) -> tuple[list[Tensor], Tensor]:
        """Return the map after each part, for the decoder, and what was joined last, see `InputPyramid`."""
        maps = []
        if self.halving is not None:
            x = self.halving(x, embedding, latent)
            if self.pyramid is not None:
                joined, x = self.pyramid(joined, x)
            maps.append(x)
        for block in self.blocks:
            x = block(x, embedding, latent)
            maps.append(x)
        return maps, joined


class DecoderLevel(nn.Module):
    """A resolution of the decoder: residual blocks, attention, an image for a pyramid, and doubling unless the last."""

    def __init__(
        self,
        blocks: list[nn.Module],
        attention: nn.Module | None,
        to_image: nn.Module | None,
        doubling: nn.Module | None,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.attention = attention
        self.to_image = to_image
        self.doubling = doubling

    def forward(
        self, x: Tensor, maps: list[Tensor], embedding: Tensor, latent: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return the map, for the next level, and the image of this one, if it has any; takes the last of `maps`."""
        for block in self.blocks:
            x = block(torch.cat([x, maps.pop()], dim=1), embedding, latent)
        if self.attention is not None:
            x = self.attention(x)
        image = None if self.to_image is None else self.to_image(x)
        return x if self.doubling is None else self.doubling(x, embedding, latent), image


class AttendingBlock(nn.Module):
    """A residual block, and attention where the resolution has it."""

    def __init__(self, block: nn.Module, attention: nn.Module | None) -> None:
        super().__init__()
        self.block = block
        self.attention = attention

    def forward(self, x: Tensor, embedding: Tensor, latent: Tensor | None) -> Tensor:
        """Return the block's output for x (B, C, H, W)."""
        out: Tensor = self.block(x, embedding, latent)
        return out if self.attention is None else self.attention(out)


class NCSNpp(nn.Module):
    """Predict one or more images from noisy images and their times.

    The defaults are DDPM++ for CIFAR-10.

    Args:
        shape: (C, H, W) of a noisy image; H = W, a multiple of two to the number of halvings.
        condition: what it is conditioned on, a vector or channels; None for unconditional. The vector is added to the
            features of the time, as in EDM.
        outputs: images it predicts at once, such as 2 for noise and variance.
        latent_dim: length of a latent to which the norms of all residual blocks adapt, as in denoising diffusion GANs;
            0 for none.
        latent_layers: layers of the mapping network after the first, if there is a latent.
        latent_width: their width.
        width: channels at the full resolution.
        multipliers: of the width, at each resolution from the full one down.
        blocks: residual blocks at each resolution of the encoder; the decoder has one more.
        attention: resolutions that have self-attention.
        dropout: probability in the residual blocks.
        time: "sinusoids" or "fourier", random Fourier features.
        time_scale: the features are of `time_scale` t + `time_shift`, with the t that it is called with: 999 t is as in
            the authors' code for variance preserving SDEs, 999 - 999 t for discrete training, T t for T steps.
        time_shift: see `time_scale`.
        resampling: "plain" or "fir", see `Resample`.
        input_pyramid: how the image is joined to the encoder's maps: "none", "residual" or "sum", see `InputPyramid`.
        output_pyramid: "none": the last map becomes the image; or "sum": the image is a sum of images from every
            resolution, the smaller ones resampled.

    Raises:
        ValueError: the shape is not that of square images of a suitable side, or there is no such choice.
    """

    def __init__(
        self,
        shape: Sequence[int],
        condition: Condition | None = None,
        *,
        outputs: int = 1,
        latent_dim: int = 0,
        latent_layers: int = 4,
        latent_width: int = 256,
        width: int = 128,
        multipliers: Sequence[int] = (1, 2, 2, 2),
        blocks: int = 4,
        attention: Sequence[int] = (16,),
        dropout: float = 0.1,
        time: TimeFeatures = "sinusoids",
        time_scale: float = 999.0,
        time_shift: float = 0.0,
        resampling: Resampling = "plain",
        input_pyramid: Pyramid = "none",
        output_pyramid: Pyramid = "none",
    ) -> None:
        super().__init__()
        channels, side = _checked(shape, multipliers, input_pyramid, output_pyramid)
        # Sines and cosines of as many frequencies as the network is wide, or of half as many sinusoids.
        features, embedding = 2 * width if time == "fourier" else width, 4 * width
        self.time_scale, self.time_shift = time_scale, time_shift
        self.unit = _SINUSOIDS if time == "sinusoids" else 1
        self.embed_time = embed_time(time, features, embedding)
        self.embed_condition = None if condition is None else encoder_of(condition, features, tuple(shape))
        latent = latent_width if latent_dim else 0
        self.embed_latent = _mapping(latent_dim, latent_width, latent_layers) if latent else None
        more = 0 if self.embed_condition is None else self.embed_condition.channels
        block = _Block(embedding, dropout, latent, resampling)
        self.from_image = initialise(nn.Conv2d(channels + more, width, 3, padding=1))
        sizes = [width * multiplier for multiplier in multipliers]
        attends = [side >> level in attention for level in range(len(sizes))]
        pyramids = _pyramids(input_pyramid, channels + more, [width, *sizes[:-1]], resampling)
        self.down, skips = _encoder(block, width, sizes, blocks, attends, pyramids)
        at = sizes[-1]
        self.middle = nn.ModuleList([AttendingBlock(block(at, at), Attention(at)), AttendingBlock(block(at, at), None)])
        images = [outputs * channels if output_pyramid == "sum" or not level else 0 for level in range(len(sizes))]
        self.up = _decoder(block, sizes, blocks, attends, skips, images)
        self.resample = Resample(resampling)
        for layer in self.embed_time:
            if isinstance(layer, nn.Linear):
                initialise(layer)

    def forward(self, x_t: Tensor, t: Tensor, condition: Tensor | None = None, z: Tensor | None = None) -> Tensor:
        """Return predictions (B, outputs * C, H, W).

        Args:
            x_t: noisy images (B, C, H, W).
            t: their times (B,), see `time_scale`.
            condition: rows of its condition, (B, ...); None for the null condition.
            z: latents (B, latent_dim), if `latent_dim` is not 0.
        """
        features = self.embed_time[0]((self.time_scale * t + self.time_shift) / self.unit)
        if self.embed_condition is not None:
            encoded = self.embed_condition(self.embed_condition.rows_or_null(condition, len(x_t)))
            if encoded.vector is not None:
                features = features + encoded.vector
            if encoded.channels is not None:
                x_t = torch.cat([x_t, encoded.channels], dim=1)
        embedding = self.embed_time[1:](features)
        latent = None if self.embed_latent is None else self.embed_latent(z)
        x, joined = self.from_image(x_t), x_t
        maps = [x]
        for level in self.down:
            found, joined = level(maps[-1], joined, embedding, latent)
            maps += found
        x = maps[-1]
        for block in self.middle:
            x = block(x, embedding, latent)
        images: list[Tensor] = []
        for level in self.up:
            x, image = level(x, maps, embedding, latent)
            if image is not None:
                images = [image + self.resample.up(images[0]) if images else image]
        return images[0]


class _Block(NamedTuple):
    """What all residual blocks of a network have in common; called, it makes one."""

    embedding: int
    dropout: float
    latent: int
    resampling: Resampling

    def __call__(
        self, channels_in: int, channels_out: int, *, resamples: bool = False, doubles: bool = False
    ) -> ResidualBlock:
        """Return a block, of which one that resamples halves the side unless it doubles it."""
        resample = self.resampling if resamples else None
        return ResidualBlock(
            channels_in,
            channels_out,
            self.embedding,
            self.dropout,
            latent=self.latent,
            resample=resample,
            doubles=doubles,
        )


def _pyramids(kind: Pyramid, joined: int, sizes: Sequence[int], resampling: Resampling) -> list[nn.Module | None]:
    """Return the input pyramid's part at each level, where the maps have `sizes` channels: none at the first."""
    if kind == "none":
        return [None] * len(sizes)
    found: list[nn.Module | None] = [None]
    for size in sizes[1:]:
        found.append(InputPyramid(kind, joined, size, resampling))
        joined = size if kind == "residual" else joined
    return found


def _encoder(
    block: _Block,
    at: int,
    sizes: Sequence[int],
    blocks: int,
    attends: Sequence[bool],
    pyramids: Sequence[nn.Module | None],
) -> tuple[nn.ModuleList, list[int]]:
    """Return the levels down from maps of `at` channels, and the channels of all maps for the decoder."""
    levels, skips = nn.ModuleList(), [at]
    for level, size in enumerate(sizes):
        halving = block(at, at, resamples=True) if level else None
        skips += [at] if level else []
        steps: list[nn.Module] = []
        for _ in range(blocks):
            steps.append(AttendingBlock(block(at, size), Attention(size) if attends[level] else None))
            at = size
            skips.append(at)
        levels.append(EncoderLevel(halving, pyramids[level], steps))
    return levels, skips


def _decoder(
    block: _Block, sizes: Sequence[int], blocks: int, attends: Sequence[bool], skips: list[int], images: Sequence[int]
) -> nn.ModuleList:
    """Return the levels up, which take from the end of `skips`, and make images of as many channels, or none of 0."""
    levels, at = nn.ModuleList(), sizes[-1]
    for level in reversed(range(len(sizes))):
        steps: list[nn.Module] = []
        for _ in range(blocks + 1):
            steps.append(block(at + skips.pop(), sizes[level]))
            at = sizes[level]
        attention = Attention(at) if attends[level] else None
        to_image = ToImage(at, images[level]) if images[level] else None
        doubling = block(at, at, resamples=True, doubles=True) if level else None
        levels.append(DecoderLevel(steps, attention, to_image, doubling))
    return levels


def _checked(
    shape: Sequence[int], multipliers: Sequence[int], input_pyramid: Pyramid, output_pyramid: Pyramid
) -> tuple[int, int]:
    """Return the channels and the side of a network's images, if it can be built."""
    if len(shape) != 3:
        raise ValueError(f"NCSN++ takes images (C, H, W), not samples of shape {tuple(shape)}")
    channels, height, side = shape
    expect_side(multipliers, height, side)
    if input_pyramid not in ("none", "residual", "sum"):
        raise ValueError(f"input_pyramid must be none, residual or sum, not {input_pyramid!r}")
    if output_pyramid not in ("none", "sum"):
        raise ValueError(f"output_pyramid must be none or sum, not {output_pyramid!r}")
    return channels, side


def _mapping(latent_dim: int, width: int, layers: int) -> nn.Sequential:
    """Return the mapping network of a latent: normalised, then through linear layers (Xiao et al. 2022, appendix C)."""
    found: list[nn.Module] = [nn.RMSNorm(latent_dim, eps=1e-8, elementwise_affine=False)]
    for length in (latent_dim, *[width] * layers):
        found += [initialise_by_outputs(nn.Linear(length, width)), nn.SiLU()]
    return nn.Sequential(*found)
