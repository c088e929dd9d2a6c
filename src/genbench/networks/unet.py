"""The U-Net of diffusion models (Ho et al. 2020, https://arxiv.org/abs/2006.11239, appendix B).

Residual blocks with GroupNorm at several resolutions, self-attention at some of them, and skip connections from the
encoder to the decoder. Every block gets the time embedding, to which a condition's vector is added. A condition's
sequence is attended to, and its channels are concatenated to the sample's (see `conditioning`).

Example:
    >>> UNet((3, 32, 32))(torch.randn(2, 3, 32, 32), torch.rand(2)).shape  # the paper's for CIFAR-10: 35.7 M parameters
    torch.Size([2, 3, 32, 32])
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, scaled_dot_product_attention

from genbench.conditions.base import Condition
from genbench.networks.conditioning import encoder_of
from genbench.networks.normalisation import GroupNorm

TimeFeatures = Literal["sinusoids", "fourier"]

_GROUPS = 32


class Sinusoids(nn.Module):
    """Sines and cosines of 1000 t at frequencies from 1 to 1/10000 (Vaswani et al. 2017, section 3.5).

    Args:
        dim: how many features; even.
    """

    frequencies: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        half = dim // 2
        self.register_buffer(
            "frequencies", (-math.log(10000) * torch.arange(half) / (half - 1)).exp(), persistent=False
        )

    def forward(self, t: Tensor) -> Tensor:
        """Return features (B, dim) of times (B,) in [0, 1]."""
        angles = 1000 * t[:, None] * self.frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class RandomFourier(nn.Module):
    """Sines and cosines of t at fixed random frequencies (Tancik et al. 2020; Song et al. 2021).

    Args:
        dim: how many features; even.
        scale: standard deviation of the frequencies, in cycles per unit of time.
    """

    frequencies: Tensor

    def __init__(self, dim: int, scale: float = 16.0) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.randn(dim // 2) * scale * 2 * math.pi)

    def forward(self, t: Tensor) -> Tensor:
        """Return features (B, dim) of times (B,) in [0, 1]."""
        angles = t[:, None] * self.frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)


_TIME_FEATURES = {"sinusoids": Sinusoids, "fourier": RandomFourier}


class Given(NamedTuple):
    """The conditioning of every block.

    Attributes:
        embedding: time embedding, plus those of latent and condition, (B, width).
        sequence: tokens to cross-attend to, (B, L, context), or None.
        mask: True for tokens, False for padding, bool (B, L), or None.
    """

    embedding: Tensor
    sequence: Tensor | None = None
    mask: Tensor | None = None


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut, conditioned on the embedding between them.

    Args:
        channels_in: of the input.
        channels_out: of the output.
        width: length of the embedding.
        dropout: probability, before the second convolution.
        adaptive: the embedding scales and shifts the second GroupNorm's output (Nichol and Dhariwal 2021, section 3.1)
            instead of being added before it.
    """

    def __init__(self, channels_in: int, channels_out: int, width: int, dropout: float, adaptive: bool) -> None:
        super().__init__()
        self.adaptive = adaptive
        self.first = nn.Sequential(_norm(channels_in), nn.SiLU(), nn.Conv2d(channels_in, channels_out, 3, padding=1))
        self.from_embedding = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * channels_out if adaptive else channels_out))
        last = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.second = nn.Sequential(_norm(channels_out), nn.SiLU(), nn.Dropout(dropout), last)
        self.shortcut = nn.Identity() if channels_in == channels_out else nn.Conv2d(channels_in, channels_out, 1)
        # The residual branch is initialised to zero.
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, given: "Given") -> Tensor:
        """Return the block's output for x (B, C, H, W)."""
        hidden, added = self.first(x), self.from_embedding(given.embedding)[:, :, None, None]
        if self.adaptive:
            scale, shift = added.chunk(2, dim=1)
            hidden = self.second[1:](self.second[0](hidden) * (1 + scale) + shift)
        else:
            hidden = self.second(hidden + added)
        out: Tensor = self.shortcut(x) + hidden
        return out


class Attention(nn.Module):
    """Residual self-attention over positions, and cross-attention to a sequence if there is one.

    The sequence's keys and values are concatenated to the map's own, as in GLIDE (Nichol et al. 2022, section 3).

    Args:
        channels: of the map.
        heads: attention heads, among which the channels are divided.
        context: width of the sequence; 0 for no sequence.
    """

    def __init__(self, channels: int, heads: int, context: int = 0) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels are not divisible by heads={heads}")
        self.heads = heads
        self.norm = _norm(channels)
        self.to_qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.from_sequence = nn.Linear(context, 2 * channels) if context else None
        self.to_out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.to_out.weight)
        nn.init.zeros_(self.to_out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, given: Given) -> Tensor:
        """Return x (B, C, H, W) plus the attention's output."""
        count, channels, height, width = x.shape
        places = self.to_qkv(self.norm(x)).reshape(count, 3, self.heads, channels // self.heads, height * width)
        q, k, v = places.transpose(-1, -2).unbind(1)
        mask = None
        if self.from_sequence is not None:
            k, v, mask = self._with_sequence(k, v, given)
        seen = scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(-1, -2).reshape(x.shape)
        out: Tensor = x + self.to_out(seen)
        return out

    def _with_sequence(self, k: Tensor, v: Tensor, given: Given) -> tuple[Tensor, Tensor, Tensor]:
        """Return keys and values (B, heads, H * W + L, channels of a head), and the mask of those to attend to."""
        assert self.from_sequence is not None
        assert given.sequence is not None
        assert given.mask is not None
        count, length, _ = given.sequence.shape
        words = self.from_sequence(given.sequence).view(count, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        everywhere = given.mask.new_ones(count, k.shape[2])
        mask = torch.cat([everywhere, given.mask], dim=1)[:, None, None]
        return torch.cat([k, words[0]], dim=2), torch.cat([v, words[1]], dim=2), mask


class Downsample(nn.Module):
    """Halve the resolution by a strided convolution.

    Args:
        channels: of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, given: Given) -> Tensor:
        """Return the smaller map; the conditioning is not used."""
        out: Tensor = self.convolution(x)
        return out


class Upsample(nn.Module):
    """Double the resolution by nearest neighbours, then smooth by a convolution.

    Args:
        channels: of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, given: Given) -> Tensor:
        """Return the larger map; the conditioning is not used."""
        out: Tensor = self.convolution(interpolate(x, scale_factor=2, mode="nearest"))
        return out


class Level(nn.ModuleList):
    """Modules applied in sequence with the same conditioning."""

    def forward(self, x: Tensor, given: Given) -> Tensor:
        """Return the last one's output."""
        for module in self:
            x = module(x, given)
        return x


class UNet(nn.Module):
    """Predict one or more images (noise, score, variance) from noisy images and their times.

    The defaults are DDPM's for CIFAR-10.

    Args:
        shape: (C, H, W) of a noisy image; H = W, a multiple of two to the number of halvings.
        condition: what it is conditioned on; None for unconditional.
        outputs: images it predicts at once, such as 2 for noise and variance.
        channels_out: of each of these; as many as the noisy image has if None.
        latent_dim: length of a latent whose embedding is added to the time's, so that the prediction is stochastic; 0
            for none.
        width: channels at the full resolution.
        multipliers: of the width, at each resolution from the full one down.
        blocks: residual blocks at each resolution of the encoder; the decoder has one more.
        attention: resolutions that have self-attention.
        heads: of each self-attention.
        dropout: probability in the residual blocks.
        time: "sinusoids" or "fourier", random Fourier features.
        adaptive: how blocks are conditioned on the embedding, see `ResidualBlock`.

    Raises:
        ValueError: the shape is not that of square images of a suitable side, or `time` is unknown.
    """

    null: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        condition: Condition | None = None,
        *,
        outputs: int = 1,
        channels_out: int | None = None,
        latent_dim: int = 0,
        width: int = 128,
        multipliers: Sequence[int] = (1, 2, 2, 2),
        blocks: int = 2,
        attention: Sequence[int] = (16,),
        heads: int = 1,
        dropout: float = 0.1,
        time: TimeFeatures = "sinusoids",
        adaptive: bool = False,
    ) -> None:
        super().__init__()
        if len(shape) != 3:
            raise ValueError(f"a U-Net takes images (C, H, W), not samples of shape {tuple(shape)}")
        channels_in, height, side = shape
        halvings = len(multipliers) - 1
        if height != side or side % 2**halvings:
            raise ValueError(
                f"multipliers={list(multipliers)} halve {halvings} times, which takes square images whose side is a "
                f"multiple of {2**halvings}, not {height} x {side}"
            )
        embedding = 4 * width
        self.embed_time = embed_time(time, width, embedding)
        self.embed_latent = _latent_mapping(latent_dim, embedding) if latent_dim else None
        self.embed_condition = None if condition is None else encoder_of(condition, embedding, tuple(shape))
        self.register_buffer("null", None if condition is None else condition.null(1), persistent=False)
        more = 0 if self.embed_condition is None else self.embed_condition.channels
        context = embedding if self.embed_condition is not None and self.embed_condition.has_sequence else 0

        def attend(side: int, channels: int) -> list[nn.Module]:
            return [Attention(channels, heads, context)] if side in attention else []

        channels = width
        self.from_image = nn.Conv2d(channels_in + more, channels, 3, padding=1)
        skips = [channels]
        down: list[nn.Module] = []
        for index, multiplier in enumerate(multipliers):
            for _ in range(blocks):
                block = ResidualBlock(channels, width * multiplier, embedding, dropout, adaptive)
                channels = width * multiplier
                down.append(Level([block, *attend(side, channels)]))
                skips.append(channels)
            if index < halvings:
                down.append(Level([Downsample(channels)]))
                skips.append(channels)
                side //= 2
        self.down = nn.ModuleList(down)
        self.middle = Level(
            [
                ResidualBlock(channels, channels, embedding, dropout, adaptive),
                Attention(channels, heads, context),
                ResidualBlock(channels, channels, embedding, dropout, adaptive),
            ]
        )
        up: list[nn.Module] = []
        for index, multiplier in reversed(list(enumerate(multipliers))):
            for number in range(blocks + 1):
                block = ResidualBlock(channels + skips.pop(), width * multiplier, embedding, dropout, adaptive)
                channels = width * multiplier
                grows = [Upsample(channels)] if index and number == blocks else []
                up.append(Level([block, *attend(side, channels), *grows]))
            side *= 2
        self.up = nn.ModuleList(up)
        last = nn.Conv2d(channels, outputs * (channels_out or channels_in), 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.to_image = nn.Sequential(_norm(channels), nn.SiLU(), last)

    def forward(self, x_t: Tensor, t: Tensor, condition: Tensor | None = None, z: Tensor | None = None) -> Tensor:
        """Return predictions (B, outputs * channels_out, H, W).

        Args:
            x_t: noisy images (B, C, H, W).
            t: their times (B,) in [0, 1].
            condition: rows of its condition, (B, ...); None for the null condition.
            z: latents (B, latent_dim), if `latent_dim` is not 0.
        """
        embedding = self.embed_time(t)
        if self.embed_latent is not None:
            embedding = embedding + self.embed_latent(z)
        sequence = mask = None
        if self.embed_condition is not None:
            rows = self.null.expand(len(x_t), *self.null.shape[1:]) if condition is None else condition
            encoded = self.embed_condition(rows)
            sequence, mask = encoded.sequence, encoded.mask
            if encoded.vector is not None:
                embedding = embedding + encoded.vector
            if encoded.channels is not None:
                x_t = torch.cat([x_t, encoded.channels], dim=1)
        given = Given(embedding, sequence, mask)
        x = self.from_image(x_t)
        skips = [x]
        for level in self.down:
            x = level(x, given)
            skips.append(x)
        x = self.middle(x, given)
        for level in self.up:
            x = level(torch.cat([x, skips.pop()], dim=1), given)
        out: Tensor = self.to_image(x)
        return out


def embed_time(features: TimeFeatures, width: int, length: int) -> nn.Sequential:
    """Return a network that maps times (B,) to embeddings (B, length).

    Args:
        features: "sinusoids" or "fourier", random Fourier features.
        width: how many features.
        length: of an embedding.

    Raises:
        ValueError: there are no such features.
    """
    if features not in _TIME_FEATURES:
        raise ValueError(f"time must be one of {', '.join(_TIME_FEATURES)}, not {features!r}")
    layers = nn.Linear(width, length), nn.SiLU(), nn.Linear(length, length)
    return nn.Sequential(_TIME_FEATURES[features](width), *layers)


def _latent_mapping(latent_dim: int, length: int) -> nn.Sequential:
    """Return StyleGAN's mapping network, as in denoising diffusion GANs: a normalised latent through an MLP."""
    layers: list[nn.Module] = [nn.RMSNorm(latent_dim, elementwise_affine=False), nn.Linear(latent_dim, length)]
    for _ in range(2):
        layers += [nn.SiLU(), nn.Linear(length, length)]
    return nn.Sequential(*layers)


def _norm(channels: int) -> GroupNorm:
    # Narrow networks have fewer groups, so that each group has at least two channels.
    groups = next(count for count in range(min(_GROUPS, max(1, channels // 2)), 0, -1) if channels % count == 0)
    return GroupNorm(groups, channels, eps=1e-6)
