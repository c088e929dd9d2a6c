"""The context encoder's generator (Pathak et al. 2016, https://arxiv.org/abs/1604.07379, section 3).

An encoder halves the image down to 4 x 4, a fully connected bottleneck, written as a convolution of these maps, sees
all of it at once, and a decoder doubles its way up to what is to be filled in. There are no skips: all that the hole is
made of goes through the bottleneck.

Example:
    >>> network = ContextGenerator((3, 128, 128), (3, 64, 64), bottleneck=100)
    >>> network(torch.randn(2, 3, 128, 128)).shape
    torch.Size([2, 3, 64, 64])
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from genbench.networks.dcgan import halvings_of
from genbench.networks.initialisation import initialise_normal


class ContextGenerator(nn.Module):
    """Map images with a hole to what is in it, or to whole images.

    Args:
        image_shape: (C, S, S), S even and at least 8.
        output_shape: of the result, likewise.
        width: channels of the first maps of the encoder and of the last ones of the decoder; doubled from level to
            level up to eight times, but the encoder's second maps have as many as the first, as in the authors' code.
        bottleneck: numbers between encoder and decoder.

    Raises:
        ValueError: a side does not suit.
    """

    def __init__(
        self, image_shape: Sequence[int], output_shape: Sequence[int], *, width: int = 64, bottleneck: int = 4000
    ) -> None:
        super().__init__()
        (halvings, end), (doublings, start) = halvings_of(image_shape), halvings_of(output_shape)
        down = [width, *(width * min(2**level, 8) for level in range(halvings - 1))]
        encoder: list[nn.Module] = [nn.Conv2d(image_shape[0], width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for inputs, outputs in pairwise(down):
            encoder += [
                nn.Conv2d(inputs, outputs, 4, stride=2, padding=1),
                nn.BatchNorm2d(outputs),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        self.encoder = nn.Sequential(*encoder, nn.Conv2d(down[-1], bottleneck, end))
        up = [width * min(2**level, 8) for level in reversed(range(doublings))]
        decoder: list[nn.Module] = [
            nn.BatchNorm2d(bottleneck),
            nn.LeakyReLU(0.2, inplace=True),
            nn.ConvTranspose2d(bottleneck, up[0], start),
        ]
        for inputs, outputs in pairwise([*up, output_shape[0]]):
            decoder += [
                nn.BatchNorm2d(inputs),
                nn.ReLU(inplace=True),
                nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1),
            ]
        self.decoder = nn.Sequential(*decoder, nn.Tanh())
        self.apply(initialise_normal)

    def forward(self, images: Tensor) -> Tensor:
        """Return images (B, C, S', S') in [-1, 1] of images (B, C, S, S) whose hole is filled with a colour."""
        drawn: Tensor = self.decoder(self.encoder(images))
        return drawn
