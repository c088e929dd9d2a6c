"""A residual encoder that is told the time: judges noisy images, as a discriminator or a classifier.

Example:
    >>> TimedEncoder((2, 16, 16))(torch.randn(8, 2, 16, 16), torch.rand(8)).shape
    torch.Size([8, 1])
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, leaky_relu

from genbench.networks.unet import embed_time

_GROUP = 4


class HalvingBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, and half the side between them.

    Args:
        channels_in: of the input.
        channels_out: of the output.
        told: length of what it is told.
    """

    def __init__(self, channels_in: int, channels_out: int, told: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.tell = nn.Linear(told, channels_out)
        self.second = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1, bias=False)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """Return the smaller map of x (B, C, H, W), told (B, told)."""
        hidden = self.first(leaky_relu(x, 0.2)) + self.tell(told)[:, :, None, None]
        hidden = self.second(avg_pool2d(leaky_relu(hidden, 0.2), 2))
        # Both ways add up to twice the variance.
        out: Tensor = (hidden + self.shortcut(avg_pool2d(x, 2))) / 2**0.5
        return out


class TimedEncoder(nn.Module):
    """Map images (B, C, S, S) at times (B,) to numbers (B, outputs), halving the side until it is odd or 4.

    After the discriminator of denoising diffusion GANs (Xiao et al. 2022, appendix C).

    Args:
        image_shape: (C, S, S) of what it is shown, which may be several images stacked.
        num_classes: classes that it may be told; None for none.
        outputs: numbers an image.
        width: channels of the first map, doubled with each halving up to `most_channels`.
        most_channels: see there.
        batch_deviation: whether it sees, in groups of four images, how much they differ (Karras et al. 2018), by which
            a generator that draws one picture is found out.

    Raises:
        ValueError: the images are not square, or S is odd.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        num_classes: int | None = None,
        *,
        outputs: int = 1,
        width: int = 64,
        most_channels: int = 512,
        batch_deviation: bool = False,
    ) -> None:
        super().__init__()
        channels_in, height, side = image_shape
        if height != side or side % 2:
            raise ValueError(f"it judges square images of an even side, not {height} x {side}: set data.size")
        told = 4 * width
        self.batch_deviation = batch_deviation
        self.embed_time = embed_time("sinusoids", width, told)
        self.embed_class = None if num_classes is None else nn.Embedding(num_classes, told)
        self.from_image = nn.Conv2d(channels_in, width, 1)
        channels, blocks = width, []
        while side % 2 == 0 and side > 4:
            more = min(2 * channels, most_channels)
            blocks.append(HalvingBlock(channels, more, told))
            channels, side = more, side // 2
        self.blocks = nn.ModuleList(blocks)
        self.last = nn.Conv2d(channels + int(batch_deviation), channels, 3, padding=1)
        self.to_outputs = nn.Linear(channels, outputs)
        self.apply(_keep_variance)

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """Return numbers (B, outputs) of images at times (B,) in [0, 1] and, if it is told any, of classes (B,)."""
        told = self.embed_time(t)
        if self.embed_class is not None:
            if y is None:
                raise ValueError("this network is told classes: y is missing")
            told = told + self.embed_class(y)
        told = leaky_relu(told, 0.2)
        x = self.from_image(x)
        for block in self.blocks:
            x = block(x, told)
        if self.batch_deviation:
            x = torch.cat([x, deviation_in_groups(x)], dim=1)
        found: Tensor = self.to_outputs(leaky_relu(self.last(leaky_relu(x, 0.2)), 0.2).sum((2, 3)))
        return found


def _keep_variance(module: nn.Module) -> None:
    # By torch's own start each layer loses most of the variance, and a dozen of them leave nothing to tell images by.
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def deviation_in_groups(x: Tensor) -> Tensor:
    """Return a map (B, 1, H, W) of how much images (B, C, H, W) differ within groups of four, or of fewer."""
    count, _, height, width = x.shape
    group = next(size for size in range(min(_GROUP, count), 0, -1) if count % size == 0)
    parts = x.view(group, count // group, *x.shape[1:])
    deviation = (parts.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    return deviation.repeat(group)[:, None, None, None].expand(-1, 1, height, width)
