"""DCGAN's generator and discriminator for any even image size (Radford et al. 2016, section 3).

The image is halved (or doubled) by strided convolutions until its side is odd or 4: 64 pixels give 64, 32, 16, 8, 4 as
in the paper, 28 pixels give 28, 14, 7. Channels double with each halving.

Example:
    >>> generator = DCGANGenerator(latent_dim=100, image_shape=(1, 28, 28))
    >>> generator(torch.randn(16, 100)).shape
    torch.Size([16, 1, 28, 28])
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from genbench.networks.initialisation import initialise_normal
from genbench.networks.normalisation import NormName, normalisation


class DCGANGenerator(nn.Module):
    """Map latents (B, latent_dim) to images (B, C, S, S) in [-1, 1].

    Transposed convolutions with BatchNorm and ReLU, and a tanh at the end. The only fully connected layer is the
    projection of the latent, written as a transposed convolution of a 1x1 map.

    Args:
        latent_dim: length of a latent vector.
        image_shape: (C, S, S), S even and at least 8.
        width: channels of the last hidden map, the one with S/2 pixels; 128 in the paper.

    Raises:
        ValueError: the images are not square, or S is odd or less than 8.
    """

    def __init__(self, latent_dim: int, image_shape: Sequence[int], width: int = 128) -> None:
        super().__init__()
        halvings, start = halvings_of(image_shape)
        channels = [width * 2**level for level in reversed(range(halvings))]
        self.project = nn.Sequential(
            nn.Unflatten(1, (latent_dim, 1, 1)),
            nn.ConvTranspose2d(latent_dim, channels[0], start, bias=False),
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(inplace=True),
        )
        blocks: list[nn.Module] = []
        for channels_in, channels_out in pairwise(channels):
            blocks += [
                nn.ConvTranspose2d(channels_in, channels_out, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(channels_out),
                nn.ReLU(inplace=True),
            ]
        self.blocks = nn.Sequential(*blocks)
        self.to_image = nn.Sequential(
            nn.ConvTranspose2d(channels[-1], image_shape[0], 4, stride=2, padding=1), nn.Tanh()
        )
        self.apply(initialise_normal)

    def forward(self, z: Tensor) -> Tensor:
        """Return the images of latents `z`."""
        return self.to_image(self.blocks(self.project(z)))


class DCGANDiscriminator(nn.Module):
    """Map images (B, C, S, S) to logits (B,).

    Strided convolutions with BatchNorm (none on the first) and leaky ReLU of slope 0.2.

    Args:
        image_shape: (C, S, S), S even and at least 8.
        width: channels of the first map, the one with S/2 pixels; 128 in the paper.
        norm: "batch" as in the paper, or "none" or "layer" where the output for one image must not depend on
            others.

    Raises:
        ValueError: the images are not square, or S is odd or less than 8.
    """

    def __init__(self, image_shape: Sequence[int], width: int = 128, norm: NormName = "batch") -> None:
        super().__init__()
        halvings, end = halvings_of(image_shape)
        make_norm, bias = normalisation(norm)
        channels = [width * 2**level for level in range(halvings)]
        blocks: list[nn.Module] = [nn.Conv2d(image_shape[0], width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for channels_in, channels_out in pairwise(channels):
            blocks += [
                nn.Conv2d(channels_in, channels_out, 4, stride=2, padding=1, bias=bias),
                make_norm(channels_out),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        self.features = nn.Sequential(*blocks)
        self.to_logit = nn.Sequential(nn.Conv2d(channels[-1], 1, end), nn.Flatten(0))
        self.apply(initialise_normal)

    def forward(self, images: Tensor) -> Tensor:
        """Return one logit for each image."""
        return self.to_logit(self.features(images))


def halvings_of(image_shape: Sequence[int]) -> tuple[int, int]:
    """Return how often the side of images (C, S, S) is halved, and the side that remains.

    Raises:
        ValueError: the images are not square, or S is odd or less than 8.
    """
    _, height, width = image_shape
    if height != width or height < 8 or height % 2:
        raise ValueError(
            f"DCGAN needs square images of an even side of at least 8 pixels, not {height} x {width}: set data.size"
        )
    count, side = 0, height
    while side % 2 == 0 and side > 4:
        count, side = count + 1, side // 2
    return count, side
