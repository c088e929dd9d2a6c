"""How the blocks of a U-Net follow each other: the way down, the middle and the way up."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from genbench.choices import expect_choice
from genbench.networks.unet_blocks import (
    Attention,
    Downsample,
    Given,
    Norm,
    Padding,
    ResidualBlock,
    Upsample,
)

Resampling = Literal["convolution", "residual"]


class Level(nn.ModuleList):
    """Modules applied in sequence with the same conditioning."""

    def forward(self, x: Tensor, given: Given) -> Tensor:
        """Return the last one's output."""
        for module in self:
            x = module(x, given)
        return x


@dataclass(frozen=True)
class Attends:
    """Where and how a network attends.

    Attributes:
        sides: resolutions that have self-attention, as sides in pixels.
        heads: of each self-attention; None if `head_channels` says how many.
        head_channels: channels of each head; None if `heads` says how many there are.
        context: width of a sequence to attend to; 0 for none.

    Raises:
        ValueError: heads are given in two ways or in none.
    """

    sides: Collection[int]
    heads: int | None = None
    head_channels: int | None = None
    context: int = 0

    def __post_init__(self) -> None:
        """Check that heads are given in one way."""
        if (self.heads is None) == (self.head_channels is None):
            raise ValueError("attention takes either heads or head_channels: set the other to null")

    def layer(self, channels: int, norm: Norm) -> Attention:
        """Return self-attention over a map.

        Raises:
            ValueError: the channels are not divisible into heads.
        """
        if self.head_channels is None:
            assert self.heads is not None
            return Attention(channels, self.heads, self.context, norm)
        if channels % self.head_channels:
            raise ValueError(f"{channels} channels are not divisible by head_channels={self.head_channels}")
        return Attention(channels, channels // self.head_channels, self.context, norm)


@dataclass(frozen=True)
class Levels:
    """Makes the levels of one network, whose blocks have all the same settings.

    Attributes:
        maps: channels at each resolution, from the full one down.
        blocks: residual blocks at each resolution of the encoder.
        attends: where and how there is self-attention.
        embedding: length of the embedding that conditions blocks.
        dropout: probability in the residual blocks.
        adaptive: see `ResidualBlock`.
        padding: see `Downsample`.
        resampling: "convolution", or "residual" for blocks that resample (Dhariwal and Nichol 2021).
        norm: the normalisation of a map.

    Raises:
        ValueError: a setting is none of its choices.
    """

    maps: Sequence[int]
    blocks: int
    attends: Attends
    embedding: int
    dropout: float
    adaptive: bool
    padding: Padding
    resampling: Resampling
    norm: Norm

    def __post_init__(self) -> None:
        """Check the choices."""
        for name, kind in (("padding", Padding), ("resampling", Resampling)):
            expect_choice(name, getattr(self, name), kind)

    def down(self, channels: int, side: int) -> tuple[nn.ModuleList, list[int]]:
        """Return the way down, and the channels of each map on it.

        Args:
            channels: of the first map.
            side: of the first map, in pixels.
        """
        levels, skips = [], [channels]
        for index, wide in enumerate(self.maps):
            for _ in range(self.blocks):
                levels.append(Level([self._block(channels, wide), *self._attend(side, wide)]))
                channels = wide
                skips.append(channels)
            if index < len(self.maps) - 1:
                is_block = self.resampling == "residual"
                levels.append(Level([self._block(wide, wide, 0.5) if is_block else Downsample(wide, self.padding)]))
                skips.append(channels)
                side //= 2
        return nn.ModuleList(levels), skips

    def middle(self) -> Level:
        """Return the blocks of the lowest resolution, between the ways down and up."""
        channels = self.maps[-1]
        return Level(
            [self._block(channels, channels), self.attends.layer(channels, self.norm), self._block(channels, channels)]
        )

    def up(self, skips: list[int], side: int) -> nn.ModuleList:
        """Return the way up.

        Args:
            skips: channels of each map on the way down, from the first, which are concatenated from the last.
            side: of the lowest resolution, in pixels.
        """
        levels, channels, left = [], self.maps[-1], list(skips)
        for index, wide in reversed(list(enumerate(self.maps))):
            for number in range(self.blocks + 1):
                level = [self._block(channels + left.pop(), wide), *self._attend(side, wide)]
                channels = wide
                if index and number == self.blocks:
                    level.append(self._block(wide, wide, 2) if self.resampling == "residual" else Upsample(wide))
                levels.append(Level(level))
            side *= 2
        return nn.ModuleList(levels)

    def _block(self, channels_in: int, channels_out: int, scale: float = 1) -> ResidualBlock:
        return ResidualBlock(
            channels_in, channels_out, self.embedding, self.dropout, self.adaptive, self.norm, scale=scale
        )

    def _attend(self, side: int, channels: int) -> list[nn.Module]:
        return [self.attends.layer(channels, self.norm)] if side in self.attends.sides else []


def maps_of(width: int, multipliers: Sequence[float], height: int, side: int) -> list[int]:
    """Return the channels at each resolution, from the full one down.

    Args:
        width: channels that are multiplied.
        multipliers: at each resolution.
        height: of an image, in pixels.
        side: width of an image, in pixels.

    Raises:
        ValueError: a number of channels is no whole one, or the images are not square or of an unsuitable side.
    """
    expect_side(multipliers, height, side)
    if any(width * each != int(width * each) or each <= 0 for each in multipliers):
        raise ValueError(f"multipliers={list(multipliers)} of width={width} are not all whole numbers of channels")
    return [int(width * each) for each in multipliers]


def expect_side(multipliers: Sequence[float], height: int, side: int) -> None:
    """Check that images can be halved once between each two resolutions.

    Raises:
        ValueError: they are not square or of an unsuitable side.
    """
    halvings = len(multipliers) - 1
    if height != side or side % 2**halvings:
        raise ValueError(
            f"multipliers={list(multipliers)} halve {halvings} times, which takes square images whose side is a "
            f"multiple of {2**halvings}, not {height} x {side}"
        )
