"""CycleGAN's generator: two halvings, residual blocks, two doublings (Zhu et al. 2017, section 7.2).

Example:
    >>> ResNetTranslator(image_shape=(3, 128, 128), blocks=6)(torch.randn(1, 3, 128, 128)).shape
    torch.Size([1, 3, 128, 128])
"""

from collections.abc import Sequence

from torch import Tensor, nn

from genbench.networks.initialisation import initialise_normal
from genbench.networks.normalisation import NormName, normalisation


class ResidualBlock(nn.Module):
    """Two convolutions with reflection padding, added to their input.

    Args:
        channels: of input and output.
        norm: "instance" or "batch".
    """

    def __init__(self, channels: int, norm: NormName) -> None:
        super().__init__()
        make_norm, bias = normalisation(norm)
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            make_norm(channels),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            make_norm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return x plus the residual."""
        residual: Tensor = self.layers(x)
        return x + residual


class ResNetTranslator(nn.Module):
    """Map source images (B, C, S, S) to target images (B, C', S, S) in [-1, 1].

    Args:
        image_shape: (C', S, S) of the targets; S is a multiple of 4.
        source_shape: (C, S, S) of the sources; as the targets if None.
        width: channels of the outermost maps.
        blocks: residual blocks; 9 for 256 pixels, 6 for 128 and less.
        norm: "instance" or "batch".

    Raises:
        ValueError: the side is not a multiple of 4, or is too small for reflection padding.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        source_shape: Sequence[int] | None = None,
        width: int = 64,
        blocks: int = 9,
        norm: NormName = "instance",
    ) -> None:
        super().__init__()
        side = image_shape[1]
        if side % 4 or side < 8:
            raise ValueError(f"this generator takes images whose side is a multiple of 4, at least 8, not {side}")
        make_norm, bias = normalisation(norm)
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3),
            nn.Conv2d((source_shape or image_shape)[0], width, 7, bias=bias),
            make_norm(width),
            nn.ReLU(),
        ]
        for channels in (width, 2 * width):
            layers += [
                nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=bias),
                make_norm(2 * channels),
                nn.ReLU(),
            ]
        layers += [ResidualBlock(4 * width, norm) for _ in range(blocks)]
        for channels in (4 * width, 2 * width):
            layers += [
                nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1, bias=bias),
                make_norm(channels // 2),
                nn.ReLU(),
            ]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, image_shape[0], 7), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(initialise_normal)

    def forward(self, source: Tensor) -> Tensor:
        """Return the translations of source images."""
        image: Tensor = self.layers(source)
        return image
