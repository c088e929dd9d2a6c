"""How the blocks of a U-Net follow each other: the way down, the middle and the way up."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from genbench.choices import expect_choice
from genbench.networks.spatial_transformer import SpatialTransformer
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
Order = Literal["ho", "imagen"]
AttendTo = Literal["map", "sequence"]


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
        to: "map", to the map itself and to the sequence, if there is one; or "sequence", to that alone.
        depth: blocks of a `SpatialTransformer` in the place of each attention; 0 for attention alone.

    Raises:
        ValueError: heads are given in two ways or in none, or a transformer is to attend to a sequence alone.
    """

    sides: Collection[int]
    heads: int | None = None
    head_channels: int | None = None
    context: int = 0
    to: AttendTo = "map"
    depth: int = 0

    def __post_init__(self) -> None:
        """Check that heads are given in one way, and the choice."""
        expect_choice("attend_to", self.to, AttendTo)
        if (self.heads is None) == (self.head_channels is None):
            raise ValueError("attention takes either heads or head_channels: set the other to null")
        if self.depth and self.to != "map":
            raise ValueError("a transformer attends to its map: transformer_depth takes attend_to=map")

    def layer(self, channels: int, norm: Norm) -> nn.Module:
        """Return self-attention over a map, or a transformer.

        Raises:
            ValueError: the channels are not divisible into heads.
        """
        heads = self._heads_of(channels)
        if self.depth:
            return SpatialTransformer(channels, heads, self.context, self.depth, norm)
        return Attention(channels, heads, self.context, norm, to_map=self.to == "map")

    def _heads_of(self, channels: int) -> int:
        if self.head_channels is None:
            assert self.heads is not None
            return self.heads
        if channels % self.head_channels:
            raise ValueError(f"{channels} channels are not divisible by head_channels={self.head_channels}")
        return channels // self.head_channels


@dataclass(frozen=True)
class Levels:
    """Makes the levels of one network, whose blocks have all the same settings.

    Attributes:
        maps: channels at each resolution, from the full one down.
        blocks: residual blocks of the encoder, at each resolution.
        attends: where and how there is self-attention.
        embedding: length of the embedding that conditions blocks.
        dropout: probability in the residual blocks.
        adaptive: see `ResidualBlock`.
        padding: see `Downsample`.
        resampling: "convolution", or "residual" for blocks that resample (Dhariwal and Nichol 2021).
        norm: the normalisation of a map.
        order: "ho", blocks at each resolution and then the change of size, each followed by a skip connection; or
            "imagen", the change of size before the blocks on the way down and after them on the way up, with one skip
            connection and one attention for all of them and nothing in the middle (Saharia et al. 2022, appendix B.1).
        style: see `ResidualBlock`.

    Raises:
        ValueError: a setting is none of its choices, or there are not as many numbers of blocks as resolutions.
    """

    maps: Sequence[int]
    blocks: int | Sequence[int]
    attends: Attends
    embedding: int
    dropout: float
    adaptive: bool
    padding: Padding
    resampling: Resampling
    norm: Norm
    order: Order = "ho"
    style: int = 0

    def __post_init__(self) -> None:
        """Check the choices."""
        for name, kind in (("padding", Padding), ("resampling", Resampling), ("order", Order)):
            expect_choice(name, getattr(self, name), kind)
        if len(self.counts) != len(self.maps):
            given = len(self.counts)
            raise ValueError(f"blocks={list(self.counts)} has {given} numbers for {len(self.maps)} resolutions")
        if self.order == "imagen" and min(self.counts) < 1:
            raise ValueError(f"blocks={self.blocks} must be at least 1 at each resolution")

    @property
    def counts(self) -> Sequence[int]:
        """Residual blocks of the encoder at each resolution."""
        return [self.blocks] * len(self.maps) if isinstance(self.blocks, int) else self.blocks

    def down(self, channels: int, side: int) -> tuple[nn.ModuleList, list[int]]:
        """Return the way down, and the channels of each map on it.

        Args:
            channels: of the first map.
            side: of the first map, in pixels.
        """
        if self.order == "imagen":
            return self._smaller_first(channels, side)
        levels, skips = [], [channels]
        for index, (wide, count) in enumerate(zip(self.maps, self.counts, strict=True)):
            for _ in range(count):
                levels.append(Level([self._block(channels, wide), *self._attend(side, wide)]))
                channels = wide
                skips.append(channels)
            if index < len(self.maps) - 1:
                levels.append(Level([self._smaller(wide)]))
                skips.append(channels)
                side //= 2
        return nn.ModuleList(levels), skips

    def middle(self) -> Level:
        """Return the blocks of the lowest resolution, between the ways down and up."""
        if self.order == "imagen":
            return Level()
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
        if self.order == "imagen":
            return self._larger_last(side)
        levels, channels, left = [], self.maps[-1], list(skips)
        for index, wide in reversed(list(enumerate(self.maps))):
            count = self.counts[index]
            for number in range(count + 1):
                level = [self._block(channels + left.pop(), wide), *self._attend(side, wide)]
                channels = wide
                if index and number == count:
                    level.append(self._larger(wide))
                levels.append(Level(level))
            side *= 2
        return nn.ModuleList(levels)

    def _smaller_first(self, channels: int, side: int) -> tuple[nn.ModuleList, list[int]]:
        levels = []
        for wide, count in zip(self.maps, self.counts, strict=True):
            side //= 2
            blocks = [self._block(wide if number else channels, wide) for number in range(count)]
            levels.append(Level([self._smaller(channels), *blocks, *self._attend(side, wide)]))
            channels = wide
        return nn.ModuleList(levels), list(self.maps)

    def _larger_last(self, side: int) -> nn.ModuleList:
        levels, channels = [], self.maps[-1]
        for wide, count in reversed(list(zip(self.maps, self.counts, strict=True))):
            blocks = [self._block(wide if number else channels + wide, wide) for number in range(count)]
            levels.append(Level([*blocks, *self._attend(side, wide), self._larger(wide)]))
            channels = wide
            side *= 2
        return nn.ModuleList(levels)

    def _smaller(self, channels: int) -> nn.Module:
        return (
            self._block(channels, channels, 0.5)
            if self.resampling == "residual"
            else Downsample(channels, self.padding)
        )

    def _larger(self, channels: int) -> nn.Module:
        return self._block(channels, channels, 2) if self.resampling == "residual" else Upsample(channels)

    def _block(self, channels_in: int, channels_out: int, scale: float = 1) -> ResidualBlock:
        return ResidualBlock(
            channels_in, channels_out, self.embedding, self.dropout, self.adaptive, self.norm, scale, self.style
        )

    def _attend(self, side: int, channels: int) -> list[nn.Module]:
        return [self.attends.layer(channels, self.norm)] if side in self.attends.sides else []


def maps_of(width: int, multipliers: Sequence[float], height: int, side: int, halvings: int | None = None) -> list[int]:
    """Return the channels at each resolution, from the full one down.

    Args:
        width: channels that are multiplied.
        multipliers: at each resolution.
        height: of an image, in pixels.
        side: width of an image, in pixels.
        halvings: how often an image is halved; None for once between each two resolutions.

    Raises:
        ValueError: a number of channels is no whole one, or the images are not square or of an unsuitable side.
    """
    expect_side(multipliers, height, side, halvings)
    if any(width * each != int(width * each) or each <= 0 for each in multipliers):
        raise ValueError(f"multipliers={list(multipliers)} of width={width} are not all whole numbers of channels")
    return [int(width * each) for each in multipliers]


def expect_side(multipliers: Sequence[float], height: int, side: int, halvings: int | None = None) -> None:
    """Check that images can be halved as often as they are, by default once between each two resolutions.

    Raises:
        ValueError: they are not square or of an unsuitable side.
    """
    halvings = len(multipliers) - 1 if halvings is None else halvings
    if height != side or side % 2**halvings:
        raise ValueError(
            f"multipliers={list(multipliers)} halve {halvings} times, which takes square images whose side is a "
            f"multiple of {2**halvings}, not {height} x {side}"
        )
