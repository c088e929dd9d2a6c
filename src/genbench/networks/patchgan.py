"""PatchGAN: a discriminator that classifies patches, not images (Isola et al. 2017, https://arxiv.org/abs/1611.07004).

Each output logit has a receptive field of 70 x 70 pixels: C64-C128-C256-C512 of the paper's appendix.

Example:
    >>> PatchGAN(image_shape=(6, 256, 256))(torch.randn(1, 6, 256, 256)).shape
    torch.Size([1, 1, 30, 30])
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from genbench.networks.initialisation import initialise_normal
from genbench.networks.normalisation import NormName, normalisation


class PatchGAN(nn.Module):
    """Map images (B, C, S, S) to a map of logits (B, 1, S/8 - 2, S/8 - 2), one for each patch.

    Args:
        image_shape: (C, S, S); for a conditional discriminator C counts both images' channels.
        width: channels of the first map.
        layers: strided convolutions; 3 make patches of 70 pixels.
        norm: "batch" (pix2pix) or "instance" (CycleGAN); none on the first map.

    Raises:
        ValueError: the images are too small for a map of at least one logit.
    """

    def __init__(self, image_shape: Sequence[int], width: int = 64, layers: int = 3, norm: NormName = "batch") -> None:
        super().__init__()
        channels, side, _ = image_shape
        if side // 2**layers < 3:
            raise ValueError(f"a PatchGAN of {layers} strided layers takes at least {3 * 2**layers} pixels, not {side}")
        make_norm, bias = normalisation(norm)
        blocks: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        widths = [width * min(2**layer, 8) for layer in range(layers + 1)]
        for index, (channels_in, channels_out) in enumerate(pairwise(widths)):
            # The last of them does not halve the map.
            stride = 2 if index < layers - 1 else 1
            blocks += [
                nn.Conv2d(channels_in, channels_out, 4, stride, padding=1, bias=bias),
                make_norm(channels_out),
                nn.LeakyReLU(0.2),
            ]
        self.blocks = nn.Sequential(*blocks)
        self.to_logits = nn.Conv2d(widths[-1], 1, 4, padding=1)
        self.apply(initialise_normal)

    def forward(self, images: Tensor) -> Tensor:
        """Return a map of logits."""
        logits: Tensor = self.to_logits(self.blocks(images))
        return logits
