"""The discriminator of denoising diffusion GANs (Xiao et al. 2022, https://arxiv.org/abs/2112.07804, appendix C).

Example:
    >>> DDGANDiscriminator((6, 32, 32))(torch.randn(8, 6, 32, 32), torch.ones(8)).shape  # the paper's for CIFAR-10
    torch.Size([8, 1])
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from genbench.conditions.base import Condition
from genbench.networks.conditioning import encoder_of
from genbench.networks.ncsnpp_blocks import Resample, initialise_by_outputs
from genbench.networks.time_embedding import Sinusoids
from genbench.networks.timed_encoder import deviation_in_groups

_SLOPE = 0.2
_SINUSOIDS = 1000
"""What `Sinusoids` multiplies times by."""


class Block(nn.Module):
    """Two 3x3 convolutions with a shortcut, at first the shortcut alone; it may halve the side by a FIR filter.

    Args:
        channels_in: of the input.
        channels_out: of the output.
        width: length of the embedding of time and condition.
        halves: whether it halves the side, before the second convolution.
    """

    def __init__(self, channels_in: int, channels_out: int, width: int, *, halves: bool) -> None:
        super().__init__()
        self.resample = Resample("fir") if halves else None
        self.first = initialise_by_outputs(nn.Conv2d(channels_in, channels_out, 3, padding=1))
        self.from_embedding = initialise_by_outputs(nn.Linear(width, channels_out))
        self.second = initialise_by_outputs(nn.Conv2d(channels_out, channels_out, 3, padding=1), 0.0)
        self.shortcut = initialise_by_outputs(nn.Conv2d(channels_in, channels_out, 1, bias=False))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Return the block's output for x (B, C, H, W), by the embedding (B, width)."""
        hidden = self.first(leaky_relu(x, _SLOPE)) + self.from_embedding(embedding)[:, :, None, None]
        hidden = leaky_relu(hidden, _SLOPE)
        if self.resample is not None:
            hidden, x = self.resample.down(hidden), self.resample.down(x)
        out: Tensor = (self.second(hidden) + self.shortcut(x)) / 2**0.5
        return out


class DDGANDiscriminator(nn.Module):
    """Map x_{t-1} and x_t, concatenated, at times (B,) to numbers (B, 1); the defaults are the paper's for CIFAR-10.

    Args:
        shape: (C, S, S) of the concatenated images.
        condition: what it is conditioned on, a vector or channels; None for unconditional.
        width: channels of the first map.
        multipliers: of the width, for each block.
        first_keeps: whether the first block keeps the side, which all others halve.
        last_from_zero: whether the last convolution begins at zero; the authors' does for small images alone.
        time_width: length of the embedding of time and condition.
        time_scale: it embeds `time_scale` t, with the t that it is called with: T for the number of the step.

    Raises:
        ValueError: the images are not square, or S can't be halved so often.
    """

    def __init__(
        self,
        shape: Sequence[int],
        condition: Condition | None = None,
        *,
        width: int = 128,
        multipliers: Sequence[int] = (1, 2, 4, 4),
        first_keeps: bool = True,
        last_from_zero: bool = True,
        time_width: int = 256,
        time_scale: float = 4.0,
    ) -> None:
        super().__init__()
        channels_in, height, side = shape
        halvings = len(multipliers) - int(first_keeps)
        if height != side or side % 2**halvings:
            raise ValueError(
                f"it halves {halvings} times, which takes square images whose side is a multiple of {2**halvings}, "
                f"not {height} x {side}"
            )
        self.time_scale = time_scale
        self.embed_time = nn.Sequential(
            Sinusoids(time_width),
            initialise_by_outputs(nn.Linear(time_width, time_width)),
            nn.LeakyReLU(_SLOPE),
            initialise_by_outputs(nn.Linear(time_width, time_width)),
        )
        self.embed_condition = (
            None if condition is None else encoder_of(condition, time_width, tuple(shape), with_null=False)
        )
        more = 0 if self.embed_condition is None else self.embed_condition.channels
        self.from_image = initialise_by_outputs(nn.Conv2d(channels_in + more, width, 1))
        channels, blocks = width, []
        for index, multiplier in enumerate(multipliers):
            halves = bool(index) or not first_keeps
            blocks.append(Block(channels, width * multiplier, time_width, halves=halves))
            channels = width * multiplier
        self.blocks = nn.ModuleList(blocks)
        last = nn.Conv2d(channels + 1, channels, 3, padding=1)
        self.last = initialise_by_outputs(last, 0.0 if last_from_zero else 1.0)
        self.to_output = initialise_by_outputs(nn.Linear(channels, 1))

    def forward(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return numbers (B, 1) for images (B, C, S, S), times (B,) and rows of any condition.

        Raises:
            ValueError: it is conditional, and there are no rows.
        """
        embedding = self.embed_time(self.time_scale * t / _SINUSOIDS)
        if self.embed_condition is not None:
            if condition is None:
                raise ValueError("this network is conditional: its condition is missing")
            encoded = self.embed_condition(condition)
            if encoded.vector is not None:
                embedding = embedding + encoded.vector
            if encoded.channels is not None:
                x = torch.cat([x, encoded.channels], dim=1)
        embedding = leaky_relu(embedding, _SLOPE)
        x = self.from_image(x)
        for block in self.blocks:
            x = block(x, embedding)
        x = leaky_relu(self.last(torch.cat([x, deviation_in_groups(x)], dim=1)), _SLOPE)
        out: Tensor = self.to_output(x.sum((2, 3)))
        return out
