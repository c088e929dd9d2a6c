"""A time-conditioned residual encoder of noisy images, used as a discriminator or a classifier.

Example:
    >>> TimedEncoder((2, 16, 16))(torch.randn(8, 2, 16, 16), torch.rand(8)).shape
    torch.Size([8, 1])
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, leaky_relu

from genbench.conditions.base import Condition
from genbench.networks.conditioning import encoder_of
from genbench.networks.time_embedding import embed_time

_GROUP = 4


class HalvingBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut, halving the side between them.

    Args:
        channels_in: of the input.
        channels_out: of the output.
        width: length of the time and condition embedding.
    """

    def __init__(self, channels_in: int, channels_out: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.from_embedding = nn.Linear(width, channels_out)
        self.second = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1, bias=False)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Return the smaller map of x (B, C, H, W), by the embedding (B, width)."""
        hidden = self.first(leaky_relu(x, 0.2)) + self.from_embedding(embedding)[:, :, None, None]
        hidden = self.second(avg_pool2d(leaky_relu(hidden, 0.2), 2))
        # The sum of two branches has twice the variance of one.
        out: Tensor = (hidden + self.shortcut(avg_pool2d(x, 2))) / 2**0.5
        return out


class TimedEncoder(nn.Module):
    """Map images (B, C, S, S) at times (B,) to numbers (B, outputs), halving the side until it is odd or 4.

    After the discriminator of denoising diffusion GANs (Xiao et al. 2022, appendix C).

    Args:
        shape: (C, S, S) of the input, which may be several images concatenated.
        condition: what it is conditioned on, a vector or channels; None for unconditional.
        outputs: numbers per image.
        width: channels of the first map, doubled with each halving up to `most_channels`.
        most_channels: the upper bound on channels.
        batch_deviation: whether it gets the standard deviation within groups of four images (Karras et al. 2018), which
            reveals mode collapse of a generator.

    Raises:
        ValueError: the images are not square, or S is odd.
    """

    def __init__(
        self,
        shape: Sequence[int],
        condition: Condition | None = None,
        *,
        outputs: int = 1,
        width: int = 64,
        most_channels: int = 512,
        batch_deviation: bool = False,
    ) -> None:
        super().__init__()
        channels_in, height, side = shape
        if height != side or side % 2:
            raise ValueError(f"it takes square images of an even side, not {height} x {side}: set data.size")
        embedding = 4 * width
        self.batch_deviation = batch_deviation
        self.embed_time = embed_time("sinusoids", width, embedding)
        self.embed_condition = (
            None if condition is None else encoder_of(condition, embedding, tuple(shape), with_null=False)
        )
        more = 0 if self.embed_condition is None else self.embed_condition.channels
        self.from_image = nn.Conv2d(channels_in + more, width, 1)
        channels, blocks = width, []
        while side % 2 == 0 and side > 4:
            doubled = min(2 * channels, most_channels)
            blocks.append(HalvingBlock(channels, doubled, embedding))
            channels, side = doubled, side // 2
        self.blocks = nn.ModuleList(blocks)
        self.last = nn.Conv2d(channels + int(batch_deviation), channels, 3, padding=1)
        self.feature_dim = channels
        self.to_outputs = nn.Linear(channels, outputs)
        self.apply(_keep_variance)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return numbers (B, outputs) for images (B, C, S, S), times (B,) in [0, 1] and rows of any condition."""
        found: Tensor = self.to_outputs(self.features(x, t, condition))
        return found

    def features(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the vectors (B, D) of which `forward` takes a linear map."""
        embedding = self.embed_time(t)
        if self.embed_condition is not None:
            if condition is None:
                raise ValueError("this network is conditional: its condition is missing")
            encoded = self.embed_condition(condition)
            if encoded.vector is not None:
                embedding = embedding + encoded.vector
            if encoded.channels is not None:
                x = torch.cat([x, encoded.channels], dim=1)
        embedding = leaky_relu(embedding, 0.2)
        x = self.from_image(x)
        for block in self.blocks:
            x = block(x, embedding)
        if self.batch_deviation:
            x = torch.cat([x, deviation_in_groups(x)], dim=1)
        return leaky_relu(self.last(leaky_relu(x, 0.2)), 0.2).sum((2, 3))


def _keep_variance(module: nn.Module) -> None:
    # With torch's default initialisation each layer loses most of the variance: after a dozen, all images look alike.
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def deviation_in_groups(x: Tensor) -> Tensor:
    """Return maps (B, 1, H, W) filled with the mean standard deviation of x (B, C, H, W) in groups of four or fewer."""
    count, _, height, width = x.shape
    group = next(size for size in range(min(_GROUP, count), 0, -1) if count % size == 0)
    parts = x.view(group, count // group, *x.shape[1:])
    deviation = (parts.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    return deviation.repeat(group)[:, None, None, None].expand(-1, 1, height, width)
