"""The U-Net of diffusion models (Ho et al. 2020, https://arxiv.org/abs/2006.11239, appendix B).

Residual blocks with GroupNorm at several sizes, self-attention at some of them, and skips from the way down to the way
up. Every block is told the time, and the class if there is one.

Example:
    >>> UNet((3, 32, 32))(torch.randn(2, 3, 32, 32), torch.rand(2)).shape  # the paper's for CIFAR-10: 35.7 M parameters
    torch.Size([2, 3, 32, 32])
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, scaled_dot_product_attention

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
    """Sines and cosines of t at random frequencies that stay as they are (Tancik et al. 2020; Song et al. 2021).

    Args:
        dim: how many features; even.
        scale: deviation of the frequencies, in turns a unit of time.
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


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; between them comes what the block is told.

    Args:
        channels_in: of the input.
        channels_out: of the output.
        told: length of what it is told.
        dropout: share of what the second convolution does not see.
        adaptive: what is told scales and shifts the second GroupNorm's output (Nichol and Dhariwal 2021, section 3.1)
            instead of being added before it.
    """

    def __init__(self, channels_in: int, channels_out: int, told: int, dropout: float, adaptive: bool) -> None:
        super().__init__()
        self.adaptive = adaptive
        self.first = nn.Sequential(_norm(channels_in), nn.SiLU(), nn.Conv2d(channels_in, channels_out, 3, padding=1))
        self.tell = nn.Sequential(nn.SiLU(), nn.Linear(told, 2 * channels_out if adaptive else channels_out))
        last = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.second = nn.Sequential(_norm(channels_out), nn.SiLU(), nn.Dropout(dropout), last)
        self.shortcut = nn.Identity() if channels_in == channels_out else nn.Conv2d(channels_in, channels_out, 1)
        # A block begins as its shortcut.
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """Return the block's output for x (B, C, H, W), told (B, told)."""
        hidden, told = self.first(x), self.tell(told)[:, :, None, None]
        if self.adaptive:
            scale, shift = told.chunk(2, dim=1)
            hidden = self.second[1:](self.second[0](hidden) * (1 + scale) + shift)
        else:
            hidden = self.second(hidden + told)
        out: Tensor = self.shortcut(x) + hidden
        return out


class Attention(nn.Module):
    """Each place looks at all places, beside a shortcut.

    Args:
        channels: of the map.
        heads: looks at once, each with its share of the channels.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels do not divide by heads={heads}")
        self.heads = heads
        self.norm = _norm(channels)
        self.to_qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.to_out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.to_out.weight)
        nn.init.zeros_(self.to_out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """Return the map x (B, C, H, W) with what its places saw; it is told nothing."""
        count, channels, height, width = x.shape
        places = self.to_qkv(self.norm(x)).reshape(count, 3, self.heads, channels // self.heads, height * width)
        q, k, v = places.transpose(-1, -2).unbind(1)
        seen = scaled_dot_product_attention(q, k, v).transpose(-1, -2).reshape(x.shape)
        out: Tensor = x + self.to_out(seen)
        return out


class Downsample(nn.Module):
    """Halve the side by a strided convolution.

    Args:
        channels: of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """Return the smaller map; it is told nothing."""
        out: Tensor = self.convolution(x)
        return out


class Upsample(nn.Module):
    """Double the side, then smooth by a convolution.

    Args:
        channels: of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """Return the larger map; it is told nothing."""
        out: Tensor = self.convolution(interpolate(x, scale_factor=2, mode="nearest"))
        return out


class Level(nn.ModuleList):
    """Modules one after the other, each told the same."""

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """Return the last one's output."""
        for module in self:
            x = module(x, told)
        return x


class UNet(nn.Module):
    """Predict, of noisy images and their times, an image or several: noise, score, variance.

    The defaults are DDPM's for CIFAR-10.

    Args:
        image_shape: (C, H, W); H and W divide by two to the number of halvings.
        num_classes: classes that it may be told; None for none.
        outputs: images it predicts at once, such as 2 for noise and variance.
        latent_dim: length of a latent that it is told beside the time, so that it may answer in many ways; 0 for none.
        width: channels at the full size.
        multipliers: of the width, at each size from the full one down.
        blocks: residual blocks at each size on the way down; one more on the way up.
        attention: sides of maps that have self-attention.
        heads: of each self-attention.
        dropout: in the residual blocks.
        time: "sinusoids" of the time or "fourier", random features of it.
        adaptive: how blocks are told, see `ResidualBlock`.

    Raises:
        ValueError: an argument does not suit.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        num_classes: int | None = None,
        *,
        outputs: int = 1,
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
        channels_in, height, side = image_shape
        halvings = len(multipliers) - 1
        if height != side or side % 2**halvings:
            raise ValueError(
                f"multipliers={list(multipliers)} halve {halvings} times, which takes square images whose side divides "
                f"by {2**halvings}, not {height} x {side}"
            )
        told = 4 * width
        self.num_classes = num_classes
        self.embed_time = embed_time(time, width, told)
        self.embed_latent = _latent_mapping(latent_dim, told) if latent_dim else None
        # The last one stands for no class.
        self.embed_class = None if num_classes is None else nn.Embedding(num_classes + 1, told)

        def attend(side: int, channels: int) -> list[nn.Module]:
            return [Attention(channels, heads)] if side in attention else []

        channels = width
        self.from_image = nn.Conv2d(channels_in, channels, 3, padding=1)
        skips = [channels]
        down: list[nn.Module] = []
        for index, multiplier in enumerate(multipliers):
            for _ in range(blocks):
                block = ResidualBlock(channels, width * multiplier, told, dropout, adaptive)
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
                ResidualBlock(channels, channels, told, dropout, adaptive),
                Attention(channels, heads),
                ResidualBlock(channels, channels, told, dropout, adaptive),
            ]
        )
        up: list[nn.Module] = []
        for index, multiplier in reversed(list(enumerate(multipliers))):
            for number in range(blocks + 1):
                block = ResidualBlock(channels + skips.pop(), width * multiplier, told, dropout, adaptive)
                channels = width * multiplier
                grows = [Upsample(channels)] if index and number == blocks else []
                up.append(Level([block, *attend(side, channels), *grows]))
            side *= 2
        self.up = nn.ModuleList(up)
        last = nn.Conv2d(channels, outputs * channels_in, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.to_image = nn.Sequential(_norm(channels), nn.SiLU(), last)

    def forward(self, x_t: Tensor, t: Tensor, y: Tensor | None = None, z: Tensor | None = None) -> Tensor:
        """Return predictions (B, outputs * C, H, W).

        Args:
            x_t: noisy images (B, C, H, W).
            t: their times (B,) in [0, 1].
            y: their classes (B,), `num_classes` for none; None is none for all.
            z: latents (B, latent_dim), if it has any.
        """
        told = self.embed_time(t)
        if self.embed_latent is not None:
            told = told + self.embed_latent(z)
        if self.embed_class is not None:
            none = torch.full((len(x_t),), self.embed_class.num_embeddings - 1, device=x_t.device)
            told = told + self.embed_class(none if y is None else y)
        x = self.from_image(x_t)
        skips = [x]
        for level in self.down:
            x = level(x, told)
            skips.append(x)
        x = self.middle(x, told)
        for level in self.up:
            x = level(torch.cat([x, skips.pop()], dim=1), told)
        out: Tensor = self.to_image(x)
        return out


def embed_time(features: TimeFeatures, width: int, told: int) -> nn.Sequential:
    """Return what maps times (B,) to what a network's blocks are told of them, (B, told).

    Args:
        features: "sinusoids" of the time or "fourier", random features of it.
        width: how many features.
        told: length of the result.

    Raises:
        ValueError: there are no such features.
    """
    if features not in _TIME_FEATURES:
        raise ValueError(f"time must be one of {', '.join(_TIME_FEATURES)}, not {features!r}")
    return nn.Sequential(_TIME_FEATURES[features](width), nn.Linear(width, told), nn.SiLU(), nn.Linear(told, told))


def _latent_mapping(latent_dim: int, told: int) -> nn.Sequential:
    """Return StyleGAN's mapping network, as in denoising diffusion GANs: a latent of unit length through an MLP."""
    layers: list[nn.Module] = [nn.RMSNorm(latent_dim, elementwise_affine=False), nn.Linear(latent_dim, told)]
    for _ in range(2):
        layers += [nn.SiLU(), nn.Linear(told, told)]
    return nn.Sequential(*layers)


def _norm(channels: int) -> GroupNorm:
    # Narrow networks have fewer groups, so that a group is never one channel alone.
    groups = next(count for count in range(min(_GROUPS, max(1, channels // 2)), 0, -1) if channels % count == 0)
    return GroupNorm(groups, channels, eps=1e-6)
