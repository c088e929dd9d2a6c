"""Residual generator and critic of WGAN-GP for CIFAR-10 (Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028, C).

The side is halved (or doubled) until it is 4: 32 pixels take three residual blocks, 64 take four. The generator has
BatchNorm. The critic has no normalisation: the gradient penalty needs an output for each image that does not depend on
the rest of the batch. Their layers, parameter counts and initialisation are those of the authors' code; the paper's
networks for 64 pixels, whose channels double with each halving, are in `doubling_resnet`.

Example:
    >>> ResNetGenerator(latent_dim=128, image_shape=(3, 32, 32))(torch.randn(16, 128)).shape
    torch.Size([16, 3, 32, 32])
"""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from genbench.choices import expect_choice
from genbench.networks.initialisation import initialise_glorot
from genbench.networks.normalisation import NormName, normalisation

Resample = Literal["up", "down", "none"]
Upsampling = Literal["nearest", "bilinear"]
FirstBlock = Literal["optimised", "convolution"]

START = 4
"""Side of the smallest map."""


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a 1x1 shortcut, optionally resampling.

    Args:
        channels_in: of the input, and between the convolutions of a block that halves the side.
        channels_out: of the output, and between the convolutions of any other block.
        resample: whether the side is doubled, halved by mean pooling, or kept.
        norm: what precedes each ReLU.
        first_bias: whether the first convolution has a bias.
        upsampling: interpolation by which the side is doubled.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        resample: Resample,
        *,
        norm: NormName,
        first_bias: bool = True,
        upsampling: Upsampling = "nearest",
    ) -> None:
        super().__init__()
        self.resample = resample
        self.upsampling = upsampling
        make_norm, _ = normalisation(norm)
        between = channels_in if resample == "down" else channels_out
        self.before = nn.Sequential(make_norm(channels_in), nn.ReLU())
        self.first = nn.Conv2d(channels_in, between, 3, padding=1, bias=first_bias)
        self.between = nn.Sequential(make_norm(between), nn.ReLU())
        self.second = nn.Conv2d(between, channels_out, 3, padding=1)
        same = channels_in == channels_out and resample == "none"
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1)
        self.apply(initialise_glorot)
        for convolution in (self.first, self.second):
            initialise_glorot(convolution, before_relu=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        hidden = self.before(x)
        if self.resample == "up":
            x, hidden = (interpolate(part, scale_factor=2, mode=self.upsampling) for part in (x, hidden))
        hidden = self.second(self.between(self.first(hidden)))
        out: Tensor = hidden + self.shortcut(x)
        return avg_pool2d(out, 2) if self.resample == "down" else out


class OptimisedBlock(nn.Module):
    """The first block of the authors' critic, which halves images: no ReLU before it, and a pooled shortcut.

    Args:
        channels_in: of the images.
        channels_out: of the output.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.second = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1)
        initialise_glorot(self.shortcut)
        for convolution in (self.first, self.second):
            initialise_glorot(convolution, before_relu=True)

    def forward(self, images: Tensor) -> Tensor:
        """Return a map of half the images' side."""
        hidden: Tensor = self.second(self.first(images).relu())
        return avg_pool2d(hidden, 2) + self.shortcut(avg_pool2d(images, 2))


class ResNetGenerator(nn.Module):
    """Map latents (B, latent_dim) to images (B, C, S, S) in [-1, 1].

    Args:
        latent_dim: length of a latent vector.
        image_shape: (C, S, S), S = 4 times a power of two, at least 8.
        width: channels of all maps; 128 in the paper's network for CIFAR-10.
        upsampling: "nearest" as in the authors' code, or "bilinear" as in mimicry's published models.

    Raises:
        ValueError: S does not suit, or there is no such upsampling.
    """

    def __init__(
        self, latent_dim: int, image_shape: Sequence[int], width: int = 128, upsampling: Upsampling = "nearest"
    ) -> None:
        super().__init__()
        expect_choice("upsampling", upsampling, Upsampling)
        doublings = doublings_to(image_shape)
        self.project = nn.Sequential(
            nn.Linear(latent_dim, START * START * width), nn.Unflatten(1, (width, START, START))
        )
        blocks = [ResidualBlock(width, width, "up", norm="batch", upsampling=upsampling) for _ in range(doublings)]
        self.blocks = nn.Sequential(*blocks)
        self.to_image = nn.Sequential(
            nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, image_shape[0], 3, padding=1), nn.Tanh()
        )
        for part in (self.project, self.to_image):
            part.apply(initialise_glorot)

    def forward(self, z: Tensor) -> Tensor:
        """Return the images of latents `z`."""
        images: Tensor = self.to_image(self.blocks(self.project(z)))
        return images


class ResNetCritic(nn.Module):
    """Map images (B, C, S, S) to scores (B,).

    Two blocks halve the side, from 32 pixels to 8, two more keep it, and a linear layer scores the spatial mean.

    Args:
        image_shape: (C, S, S), S = 4 times a power of two, at least 8.
        width: channels of all maps; 128 in the paper's network for CIFAR-10.
        first_block: "optimised", which halves the images at once, as in the authors' code; or "convolution": a
            convolution before two ordinary blocks.

    Raises:
        ValueError: S does not suit, or there is no such first block.
    """

    def __init__(self, image_shape: Sequence[int], width: int = 128, first_block: FirstBlock = "optimised") -> None:
        super().__init__()
        expect_choice("first_block", first_block, FirstBlock)
        halvings = max(1, doublings_to(image_shape) - 1)
        if first_block == "optimised":
            halvings -= 1
            first: nn.Module = OptimisedBlock(image_shape[0], width)
        else:
            first = nn.Conv2d(image_shape[0], width, 3, padding=1)
            initialise_glorot(first)
        down = [ResidualBlock(width, width, "down", norm="none") for _ in range(halvings)]
        same = [ResidualBlock(width, width, "none", norm="none") for _ in range(2)]
        self.features = nn.Sequential(first, *down, *same, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.to_logit = nn.Sequential(nn.Linear(width, 1), nn.Flatten(0))
        self.to_logit.apply(initialise_glorot)

    def forward(self, images: Tensor) -> Tensor:
        """Return one score for each image."""
        scores: Tensor = self.to_logit(self.features(images))
        return scores


def doublings_to(image_shape: Sequence[int]) -> int:
    """Return how many doublings lead from 4 pixels to the side of images (C, S, S).

    Raises:
        ValueError: S is not 4 times a power of two, or less than 8.
    """
    _, height, width = image_shape
    count = (height // START).bit_length() - 1
    if height != width or height != START * 2**count or count < 1:
        raise ValueError(
            f"this ResNet takes square images of 8, 16, 32, 64, ... pixels, not {height} x {width}: set data.size"
        )
    return count
