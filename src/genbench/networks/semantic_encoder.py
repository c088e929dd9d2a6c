"""The semantic encoder of diffusion autoencoders: images to vectors (Preechakul et al. 2022, appendix A).

https://arxiv.org/abs/2111.15640: the downward half of ADM's U-Net on clean images, and the mean of its last map.
Without a time, residual blocks of the authors' code are left with their first convolution alone.

Example:
    >>> SemanticEncoder((3, 128, 128))(torch.randn(2, 3, 128, 128)).shape    # for faces: 24.7 M parameters
    torch.Size([2, 512])
"""

from collections.abc import Sequence

from torch import Tensor, nn

from genbench.networks.unet_blocks import Attention, Norm
from genbench.networks.unet_levels import maps_of

_NORM = Norm(epsilon=1e-5)


class _Block(nn.Module):
    """A convolution with a shortcut, of a map that may be halved before."""

    def __init__(self, channels_in: int, channels_out: int, *, halves: bool = False) -> None:
        super().__init__()
        self.first = nn.Sequential(_NORM(channels_in), nn.SiLU())
        self.halved = nn.AvgPool2d(2) if halves else nn.Identity()
        self.convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.shortcut = nn.Identity() if channels_in == channels_out else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (B, channels_out, H', W')."""
        out: Tensor = self.shortcut(self.halved(x)) + self.convolution(self.halved(self.first(x)))
        return out


class SemanticEncoder(nn.Module):
    """Map images (B, C, S, S) to vectors (B, outputs).

    Args:
        shape: (C, S, S) of an image.
        outputs: numbers of a vector.
        width: see `UNet`, as all that follow.
        multipliers: of the width, at each resolution from the full one down.
        blocks: residual blocks at each resolution.
        attention: resolutions that have self-attention, as sides in pixels.
        heads: of each self-attention.

    Raises:
        ValueError: the shape is not that of square images of a suitable side.
    """

    def __init__(
        self,
        shape: Sequence[int],
        outputs: int = 512,
        *,
        width: int = 128,
        multipliers: Sequence[float] = (1, 1, 2, 3, 4, 4),
        blocks: int = 2,
        attention: Sequence[int] = (16,),
        heads: int = 1,
    ) -> None:
        super().__init__()
        channels, height, side = shape
        maps = maps_of(width, multipliers, height, side)
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1)]
        wide = width
        for level, own in enumerate(maps):
            if level:
                layers.append(_Block(wide, wide, halves=True))
            for _ in range(blocks):
                layers.append(_Block(wide, own))
                wide = own
                if side // 2**level in attention:
                    layers.append(Attention(wide, heads, norm=_NORM))
        self.layers = nn.Sequential(*layers, _Block(wide, wide), Attention(wide, heads, norm=_NORM), _Block(wide, wide))
        self.to_vector = nn.Sequential(
            _NORM(wide), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(wide, outputs, 1), nn.Flatten()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the vectors."""
        found: Tensor = self.to_vector(self.layers(x))
        return found
