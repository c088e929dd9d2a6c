"""The convolutional autoencoder of VQGAN and latent diffusion: images to small maps of latents, and back.

After Esser et al. 2021 (https://arxiv.org/abs/2012.09841, table 7) and Rombach et al. 2022
(https://arxiv.org/abs/2112.10752): residual blocks and attention as in diffusion models, without a time.

Example:
    >>> network = MapAutoencoder((3, 256, 256))
    >>> network.latent_shape
    (256, 16, 16)
    >>> network.decode(network.encode(torch.randn(1, 3, 256, 256))).shape
    torch.Size([1, 3, 256, 256])
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor, nn

from genbench.networks.unet_blocks import Attention, Downsample, Norm, ResidualBlock, Upsample


class _Plan(NamedTuple):
    """What encoder and decoder have in common."""

    width: int
    multipliers: tuple[int, ...]
    blocks: int
    attention: frozenset[int]
    dropout: float

    def block(self, channels_in: int, channels_out: int) -> nn.Module:
        return ResidualBlock(channels_in, channels_out, 0, self.dropout, False, Norm())

    def level(self, channels_in: int, channels_out: int, blocks: int, side: int) -> list[nn.Module]:
        """Return the residual blocks of one resolution, each followed by attention where there is some."""
        layers: list[nn.Module] = []
        for channels in (channels_in, *[channels_out] * (blocks - 1)):
            layers.append(self.block(channels, channels_out))
            if side in self.attention:
                layers.append(Attention(channels_out, 1))
        return layers

    def middle(self) -> list[nn.Module]:
        channels = self.width * self.multipliers[-1]
        return [self.block(channels, channels), Attention(channels, 1), self.block(channels, channels)]


class _Stack(nn.Module):
    """Blocks in a row, between a first and a last convolution."""

    def __init__(self, channels_in: int, first: int, layers: Sequence[nn.Module], last: int, channels_out: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, first, 3, padding=1)
        self.layers = nn.Sequential(*layers)
        self.norm = Norm()(last)
        self.last = nn.Conv2d(last, channels_out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (B, channels_out, H', W')."""
        x = self.first(x)
        out: Tensor = self.last(nn.functional.silu(self.norm(self.layers(x))))
        return out


class MapAutoencoder(nn.Module):
    """Map images to maps of latents, or to the moments of a Gaussian over them, and maps of latents to images.

    The defaults are VQGAN's for 256 pixels, whose maps have a sixteenth of the side.

    Args:
        image_shape: (C, S, S) of an image.
        moments: what is encoded to: 1 for latents, 2 for their means and log variances.
        quantiser: builds, of the channels of latents, what quantises them; kept beside the rest. None for none.
        latent_channels: channels of a map of latents.
        z_channels: channels that the decoder takes, to which a 1x1 convolution leads; null for those of the latents.
        width: channels of the first map.
        multipliers: of the width, at each resolution from the full one down; each but the last halves the side.
        blocks: residual blocks at each resolution; the decoder has one more.
        attention: resolutions with self-attention, as sides in pixels; the smallest always has some between the two
            halves.
        dropout: probability, in residual blocks.

    Raises:
        ValueError: the images are not square or their side is not divisible often enough, or an argument is out of
            range.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        moments: int = 1,
        quantiser: Callable[[int], nn.Module] | None = None,
        *,
        latent_channels: int = 256,
        z_channels: int | None = None,
        width: int = 128,
        multipliers: Sequence[int] = (1, 1, 2, 2, 4),
        blocks: int = 2,
        attention: Sequence[int] = (16,),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        channels, height, side = image_shape
        factor = 2 ** (len(multipliers) - 1)
        if height != side or side % factor:
            raise ValueError(
                f"{len(multipliers)} multipliers take square images of a side divisible by {factor}, not "
                f"{height} x {side}"
            )
        between = latent_channels if z_channels is None else z_channels
        smallest = {"latent_channels": latent_channels, "z_channels": between, "width": width, "blocks": blocks}
        for name, value in smallest.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        plan = _Plan(width, tuple(multipliers), blocks, frozenset(attention), dropout)
        self.latent_shape = (latent_channels, side // factor, side // factor)
        self.encoder = _encoder(plan, channels, side, moments * between)
        self.quantiser = None if quantiser is None else quantiser(latent_channels)
        self.to_latent = nn.Conv2d(moments * between, moments * latent_channels, 1)
        self.from_latent = nn.Conv2d(latent_channels, between, 1)
        self.decoder = _decoder(plan, channels, side, between)

    @property
    def last_weight(self) -> nn.Parameter:
        """The weights of the last layer, at which the gradients of VQGAN's losses are balanced."""
        return self.decoder.last.weight  # type: ignore[return-value]

    def encode(self, x: Tensor) -> Tensor:
        """Return maps (B, moments * latent_channels, S', S') of images (B, C, S, S)."""
        out: Tensor = self.to_latent(self.encoder(x))
        return out

    def decode(self, z: Tensor) -> Tensor:
        """Return images (B, C, S, S) of latents (B, latent_channels, S', S')."""
        out: Tensor = self.decoder(self.from_latent(z))
        return out


def _encoder(plan: _Plan, channels: int, side: int, outputs: int) -> _Stack:
    widths = [plan.width, *(plan.width * each for each in plan.multipliers)]
    layers: list[nn.Module] = []
    for level, (channels_in, channels_out) in enumerate(pairwise(widths)):
        if level:
            layers.append(Downsample(channels_in))
        layers += plan.level(channels_in, channels_out, plan.blocks, side // 2**level)
    return _Stack(channels, plan.width, [*layers, *plan.middle()], widths[-1], outputs)


def _decoder(plan: _Plan, channels: int, side: int, inputs: int) -> _Stack:
    widths = [plan.width * each for each in (plan.multipliers[-1], *reversed(plan.multipliers))]
    layers = plan.middle()
    deepest = len(plan.multipliers) - 1
    for level, (channels_in, channels_out) in enumerate(pairwise(widths)):
        if level:
            layers.append(Upsample(channels_in))
        layers += plan.level(channels_in, channels_out, plan.blocks + 1, side // 2 ** (deepest - level))
    return _Stack(inputs, widths[0], layers, widths[-1], channels)
