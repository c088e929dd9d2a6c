"""pix2pix's U-Net: an encoder and a decoder with a skip connection at each size (Isola et al. 2017, appendix 6.1).

Its only noise is dropout in three of the decoder's inner layers, which stays on during sampling.

Example:
    >>> UNetTranslator(image_shape=(3, 256, 256), source_shape=(3, 256, 256))(torch.randn(1, 3, 256, 256)).shape
    torch.Size([1, 3, 256, 256])
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from genbench.choices import expect_choice
from genbench.networks.initialisation import initialise_normal
from genbench.networks.normalisation import NormName, normalisation

DropoutLayers = Literal["paper", "pytorch_code"]


class UNetTranslator(nn.Module):
    """Map source images (B, C, S, S) to target images (B, C', S, S) in [-1, 1].

    The side is halved down to 1 pixel: eight times for 256, with 64, 128, 256 and then 512 channels.

    Args:
        image_shape: (C', S, S) of the targets; S a power of two, at least 8.
        source_shape: (C, S, S) of the sources; as the targets if None.
        width: channels of the first map.
        dropout: probability in the decoder's inner layers; it is the generator's noise.
        dropout_layers: those with dropout; of 256 pixels three: "paper", the innermost ones, or "pytorch_code", the
            ones after the innermost, as in the authors' PyTorch code and its published models.
        norm: "batch"; or "batch_of_one", as both papers' code has it: see `normalisation`.

    Raises:
        ValueError: the side is not a power of two, or too small, `dropout` is not in [0, 1), or there are no such
            `dropout_layers`.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        source_shape: Sequence[int] | None = None,
        width: int = 64,
        dropout: float = 0.5,
        dropout_layers: DropoutLayers = "pytorch_code",
        norm: NormName = "batch",
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), not {dropout}")
        expect_choice("dropout_layers", dropout_layers, DropoutLayers)
        make_norm, bias = normalisation(norm)
        side = image_shape[1]
        halvings = side.bit_length() - 1
        if side != 2**halvings or halvings < 3:
            raise ValueError(f"a U-Net takes images whose side is a power of two of at least 8 pixels, not {side}")
        source_channels = (source_shape or image_shape)[0]
        widths = [width * min(2**level, 8) for level in range(halvings)]
        self.down = nn.ModuleList()
        for level, channels in enumerate(widths):
            # Neither the first nor the innermost map, of one pixel, is normalised.
            normalised = 0 < level < halvings - 1
            layers: list[nn.Module] = [] if level == 0 else [nn.LeakyReLU(0.2)]
            channels_in = source_channels if level == 0 else widths[level - 1]
            layers.append(nn.Conv2d(channels_in, channels, 4, stride=2, padding=1, bias=bias))
            if normalised:
                layers.append(make_norm(channels))
            self.down.append(nn.Sequential(*layers))
        self.up = nn.ModuleList()
        for level in reversed(range(1, halvings)):
            channels_in = widths[level] * (1 if level == halvings - 1 else 2)
            self.up.append(
                nn.Sequential(
                    nn.ReLU(),
                    nn.ConvTranspose2d(channels_in, widths[level - 1], 4, stride=2, padding=1, bias=bias),
                    make_norm(widths[level - 1]),
                )
            )
        self.to_image = nn.Sequential(
            nn.ReLU(), nn.ConvTranspose2d(2 * width, image_shape[0], 4, stride=2, padding=1), nn.Tanh()
        )
        self.dropout = dropout
        # As many as have 512 output channels after the innermost, and at least one.
        count = max(1, halvings - 5)
        self.dropped = range(count) if dropout_layers == "paper" else range(1, 1 + count)
        self.apply(initialise_normal)

    def forward(self, source: Tensor, uniform: Callable[..., Tensor] | None = None) -> Tensor:
        """Return the translations of source images.

        Args:
            source: (B, C, S, S) in [-1, 1].
            uniform: draws numbers of a given shape from [0, 1), which decide which features are dropped; None for
                torch's own, drawn where the features are.
        """
        skips = []
        x = source
        for layer in self.down:
            x = layer(x)
            skips.append(x)
        skips.pop()
        for index, layer in enumerate(self.up):
            x = layer(x)
            if index in self.dropped:
                drawn = torch.rand(x.shape, device=x.device) if uniform is None else uniform(*x.shape).to(x.device)
                kept = drawn >= self.dropout
                x = x * kept / (1 - self.dropout)
            x = torch.cat([skips.pop(), x], dim=1)
        image: Tensor = self.to_image(x)
        return image
