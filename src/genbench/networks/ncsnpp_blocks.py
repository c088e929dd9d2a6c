"""What NCSN++ is made of: residual blocks that may resample, self-attention, and the two image pyramids.

After Song et al. 2021 (https://arxiv.org/abs/2011.13456, appendix H). A sum of two branches is divided by sqrt(2), so
that it keeps their variance.
"""

from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import conv2d, conv_transpose2d

from genbench.networks.attention import attend
from genbench.networks.normalisation import GroupNorm

Resampling = Literal["plain", "fir"]
Pyramid = Literal["none", "residual", "sum"]

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)

_TAPS = {"plain": (1.0, 1.0), "fir": (1.0, 3.0, 3.0, 1.0)}
_GROUPS, _LEAST_CHANNELS, _EPS = 32, 4, 1e-6
_HALF = 0.5**0.5


class Resample(nn.Module):
    """Halve or double the side of maps by a fixed filter, applied to each channel.

    Args:
        name: "plain", the mean of 2x2 pixels and nearest neighbours; or "fir", the binomial filter [1, 3, 3, 1] of
            StyleGAN2, which aliases less.

    Raises:
        ValueError: there is no such filter.
    """

    kernel: Tensor

    def __init__(self, name: Resampling) -> None:
        super().__init__()
        if name not in _TAPS:
            raise ValueError(f"resampling must be {' or '.join(_TAPS)}, not {name!r}")
        taps = torch.tensor(_TAPS[name])
        self.register_buffer("kernel", (taps.outer(taps) / taps.sum().square())[None, None], persistent=False)
        self.padding = (len(taps) - 1) // 2

    def down(self, x: Tensor) -> Tensor:
        """Return maps of half the side."""
        return conv2d(x, self._of(x), stride=2, padding=self.padding, groups=x.shape[1])

    def up(self, x: Tensor) -> Tensor:
        """Return maps of twice the side."""
        return conv_transpose2d(x, 4 * self._of(x), stride=2, padding=self.padding, groups=x.shape[1])

    def smooth(self, x: Tensor) -> Tensor:
        """Return filtered maps, padded so that a 3x3 convolution of stride 2 without padding then halves the side."""
        return conv2d(x, self._of(x), padding=self.padding + 1, groups=x.shape[1])

    def _of(self, x: Tensor) -> Tensor:
        return self.kernel.expand(x.shape[1], -1, -1, -1)


class AdaptiveGroupNorm(nn.Module):
    """GroupNorm whose scale and shift are linear in an embedded latent (Xiao et al. 2022, appendix C).

    Args:
        channels: of the map.
        latent: length of the embedded latent.
    """

    def __init__(self, channels: int, latent: int) -> None:
        super().__init__()
        self.groups = _groups(channels)
        self.from_latent = nn.Linear(latent, 2 * channels)
        initialise_by_outputs(self.from_latent)
        nn.init.ones_(self.from_latent.bias[:channels])

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        """Return the normalised x (B, C, H, W)."""
        scale, shift = self.from_latent(latent)[:, :, None, None].chunk(2, dim=1)
        # In the precision of the weights, as `GroupNorm`.
        normalised = functional.group_norm(x.to(self.from_latent.weight.dtype), self.groups, eps=_EPS)
        out: Tensor = scale * normalised + shift
        return out


class ResidualBlock(nn.Module):
    """BigGAN's residual block: two 3x3 convolutions and a shortcut, both of which may halve or double the side.

    Args:
        channels_in: of the input.
        channels_out: of the output.
        width: length of the time embedding, which is added between the convolutions.
        dropout: probability, before the second convolution.
        latent: length of the embedded latent, to which both norms adapt; 0 for none.
        resample: the filter of a block that changes the side; None for one that keeps it.
        doubles: whether such a block doubles the side instead of halving it.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        width: int,
        dropout: float,
        *,
        latent: int = 0,
        resample: Resampling | None = None,
        doubles: bool = False,
    ) -> None:
        super().__init__()
        self.resample = None if resample is None else Resample(resample)
        self.doubles = doubles
        self.first_norm = AdaptiveGroupNorm(channels_in, latent) if latent else group_norm(channels_in)
        self.first = initialise(nn.Conv2d(channels_in, channels_out, 3, padding=1))
        self.from_embedding = initialise(nn.Linear(width, channels_out))
        self.second_norm = AdaptiveGroupNorm(channels_out, latent) if latent else group_norm(channels_out)
        self.dropout = nn.Dropout(dropout)
        self.second = initialise(nn.Conv2d(channels_out, channels_out, 3, padding=1), 0.0)
        keeps = channels_in == channels_out and resample is None
        self.shortcut = nn.Identity() if keeps else initialise(nn.Conv2d(channels_in, channels_out, 1))
        self.act = nn.SiLU()

    def forward(self, x: Tensor, embedding: Tensor, latent: Tensor | None = None) -> Tensor:
        """Return the block's output for x (B, C, H, W), an embedding (B, width) and any embedded latent."""
        hidden = self.act(_normalised(self.first_norm, x, latent))
        if self.resample is not None:
            change = self.resample.up if self.doubles else self.resample.down
            hidden, x = change(hidden), change(x)
        hidden = self.first(hidden) + self.from_embedding(self.act(embedding))[:, :, None, None]
        hidden = self.act(_normalised(self.second_norm, hidden, latent))
        out: Tensor = _HALF * (self.shortcut(x) + self.second(self.dropout(hidden)))
        return out


class Attention(nn.Module):
    """Residual self-attention over positions, with one head.

    Args:
        channels: of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        # Together three maps of scale 0.1 each.
        self.to_qkv = initialise(nn.Conv2d(channels, 3 * channels, 1), 0.2)
        self.to_out = initialise(nn.Conv2d(channels, channels, 1), 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean of x (B, C, H, W) and the attention's output, at unchanged variance."""
        q, k, v = self.to_qkv(self.norm(x)).flatten(2).transpose(1, 2).chunk(3, dim=2)
        seen = attend(q, k, v).transpose(1, 2).reshape(x.shape)
        out: Tensor = _HALF * (x + self.to_out(seen))
        return out


class InputPyramid(nn.Module):
    """Join the noisy image, in ever smaller sizes, to the encoder's maps.

    Args:
        kind: "residual": a strided convolution of what was joined last, of which the sum with the map goes on; or
            "sum": a linear map of the image itself, resampled, is added to the map.
        channels_in: of what was joined last, or of the image.
        channels_out: of the maps.
        resampling: see `Resample`.
    """

    def __init__(self, kind: Pyramid, channels_in: int, channels_out: int, resampling: Resampling) -> None:
        super().__init__()
        self.is_residual = kind == "residual"
        self.resample = Resample(resampling)
        size, stride = (3, 2) if self.is_residual else (1, 1)
        self.convolution = initialise(nn.Conv2d(channels_in, channels_out, size, stride))

    def forward(self, joined: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next of what is joined, and the map x (B, C, H, W) joined with it."""
        if self.is_residual:
            x = _HALF * (self.convolution(self.resample.smooth(joined)) + x)
            return x, x
        joined = self.resample.down(joined)
        return joined, self.convolution(joined) + x


class ToImage(nn.Sequential):
    """Map the decoder's maps to an image, at first to almost zero.

    Args:
        channels_in: of the maps.
        channels_out: of the image.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        last = initialise(nn.Conv2d(channels_in, channels_out, 3, padding=1), 0.0)
        super().__init__(group_norm(channels_in), nn.SiLU(), last)


def group_norm(channels: int) -> GroupNorm:
    """Return the normalisation of a map in 32 groups, or in fewer of at least four channels."""
    return GroupNorm(_groups(channels), channels, eps=_EPS)


def initialise(layer: Layer, scale: float = 1.0) -> Layer:
    """Draw a layer's weights evenly with variance scale over the mean of fan-in and fan-out, in place, and return it.

    Ho et al.'s initialisation, with zero biases. A scale of 0 is 1e-10, as in their code, so that gradients pass.
    """
    nn.init.xavier_uniform_(layer.weight, gain=max(scale, 1e-10) ** 0.5)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def initialise_by_outputs(layer: Layer, scale: float = 1.0) -> Layer:
    """Draw a layer's weights evenly with variance scale over fan-out, in place, and return it; see `initialise`.

    That of the layers which denoising diffusion GANs add to NCSN++, in their authors' code.
    """
    nn.init.kaiming_uniform_(layer.weight, mode="fan_out", nonlinearity="linear")
    with torch.no_grad():
        layer.weight.mul_(max(scale, 1e-10) ** 0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _normalised(norm: nn.Module, x: Tensor, latent: Tensor | None) -> Tensor:
    out: Tensor = norm(x, latent) if isinstance(norm, AdaptiveGroupNorm) else norm(x)
    return out


def _groups(channels: int) -> int:
    most = min(_GROUPS, max(1, channels // _LEAST_CHANNELS))
    return next(count for count in range(most, 0, -1) if channels % count == 0)
