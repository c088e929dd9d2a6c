"""The U-Net of diffusion models (Ho et al. 2020, https://arxiv.org/abs/2006.11239, appendix B).

Residual blocks with GroupNorm at several resolutions, self-attention at some of them, and skip connections from the
encoder to the decoder. Every block gets the time embedding, to which a condition's vector is added. A condition's
sequence is attended to, and its channels are concatenated to the sample's (see `conditioning`).

Example:
    >>> UNet((3, 32, 32))(torch.randn(2, 3, 32, 32), torch.rand(2)).shape  # the paper's for CIFAR-10: 35.7 M parameters
    torch.Size([2, 3, 32, 32])
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genbench.conditions.base import Condition
from genbench.networks.conditioning import encoder_of
from genbench.networks.time_embedding import TimeFeatures, embed_time
from genbench.networks.unet_blocks import Attention, Downsample, Given, ResidualBlock, Upsample, group_norm


class Level(nn.ModuleList):
    """Modules applied in sequence with the same conditioning."""

    def forward(self, x: Tensor, given: Given) -> Tensor:
        """Return the last one's output."""
        for module in self:
            x = module(x, given)
        return x


class UNet(nn.Module):
    """Predict one or more images (noise, score, variance) from noisy images and their times.

    The defaults are DDPM's for CIFAR-10.

    Args:
        shape: (C, H, W) of a noisy image; H = W, a multiple of two to the number of halvings.
        condition: what it is conditioned on; None for unconditional.
        outputs: images it predicts at once, such as 2 for noise and variance.
        channels_out: of each of these; as many as the noisy image has if None.
        latent_dim: length of a latent whose embedding is added to the time's, so that the prediction is stochastic; 0
            for none.
        width: channels at the full resolution.
        multipliers: of the width, at each resolution from the full one down.
        blocks: residual blocks at each resolution of the encoder; the decoder has one more.
        attention: resolutions that have self-attention.
        heads: of each self-attention.
        dropout: probability in the residual blocks.
        time: "sinusoids" or "fourier", random Fourier features.
        adaptive: how blocks are conditioned on the embedding, see `ResidualBlock`.

    Raises:
        ValueError: the shape is not that of square images of a suitable side, or `time` is unknown.
    """

    def __init__(
        self,
        shape: Sequence[int],
        condition: Condition | None = None,
        *,
        outputs: int = 1,
        channels_out: int | None = None,
        latent_dim: int = 0,
        width: int = 128,
        multipliers: Sequence[int] = (1, 2, 2, 2),
        blocks: int = 2,
        attention: Sequence[int] = (16,),
        heads: int = 1,
        dropout: float = 0.1,
        time: TimeFeatures = "sinusoids",
        adaptive: bool = False,
    ) -> None:
        super().__init__()
        if len(shape) != 3:
            raise ValueError(f"a U-Net takes images (C, H, W), not samples of shape {tuple(shape)}")
        channels_in, height, side = shape
        halvings = len(multipliers) - 1
        if height != side or side % 2**halvings:
            raise ValueError(
                f"multipliers={list(multipliers)} halve {halvings} times, which takes square images whose side is a "
                f"multiple of {2**halvings}, not {height} x {side}"
            )
        embedding = 4 * width
        self.embed_time = embed_time(time, width, embedding)
        self.embed_latent = _latent_mapping(latent_dim, embedding) if latent_dim else None
        self.embed_condition = None if condition is None else encoder_of(condition, embedding, tuple(shape))
        more = 0 if self.embed_condition is None else self.embed_condition.channels
        context = embedding if self.embed_condition is not None and self.embed_condition.has_sequence else 0

        def attend(side: int, channels: int) -> list[nn.Module]:
            return [Attention(channels, heads, context)] if side in attention else []

        channels = width
        self.from_image = nn.Conv2d(channels_in + more, channels, 3, padding=1)
        skips = [channels]
        down: list[nn.Module] = []
        for index, multiplier in enumerate(multipliers):
            for _ in range(blocks):
                block = ResidualBlock(channels, width * multiplier, embedding, dropout, adaptive)
                channels = width * multiplier
                down.append(Level([block, *attend(side, channels)]))
                skips.append(channels)
            if index < halvings:
                down.append(Level([Downsample(channels)]))
                skips.append(channels)
                side //= 2
        self.down = nn.ModuleList(down)
        self.middle = Level(
            [
                ResidualBlock(channels, channels, embedding, dropout, adaptive),
                Attention(channels, heads, context),
                ResidualBlock(channels, channels, embedding, dropout, adaptive),
            ]
        )
        up: list[nn.Module] = []
        for index, multiplier in reversed(list(enumerate(multipliers))):
            for number in range(blocks + 1):
                block = ResidualBlock(channels + skips.pop(), width * multiplier, embedding, dropout, adaptive)
                channels = width * multiplier
                grows = [Upsample(channels)] if index and number == blocks else []
                up.append(Level([block, *attend(side, channels), *grows]))
            side *= 2
        self.up = nn.ModuleList(up)
        last = nn.Conv2d(channels, outputs * (channels_out or channels_in), 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.to_image = nn.Sequential(group_norm(channels), nn.SiLU(), last)

    def forward(self, x_t: Tensor, t: Tensor, condition: Tensor | None = None, z: Tensor | None = None) -> Tensor:
        """Return predictions (B, outputs * channels_out, H, W).

        Args:
            x_t: noisy images (B, C, H, W).
            t: their times (B,) in [0, 1].
            condition: rows of its condition, (B, ...); None for the null condition.
            z: latents (B, latent_dim), if `latent_dim` is not 0.
        """
        embedding = self.embed_time(t)
        if self.embed_latent is not None:
            embedding = embedding + self.embed_latent(z)
        sequence = mask = None
        if self.embed_condition is not None:
            rows = self.embed_condition.rows_or_null(condition, len(x_t))
            encoded = self.embed_condition(rows)
            sequence, mask = encoded.sequence, encoded.mask
            if encoded.vector is not None:
                embedding = embedding + encoded.vector
            if encoded.channels is not None:
                x_t = torch.cat([x_t, encoded.channels], dim=1)
        given = Given(embedding, sequence, mask)
        x = self.from_image(x_t)
        skips = [x]
        for level in self.down:
            x = level(x, given)
            skips.append(x)
        x = self.middle(x, given)
        for level in self.up:
            x = level(torch.cat([x, skips.pop()], dim=1), given)
        out: Tensor = self.to_image(x)
        return out


def _latent_mapping(latent_dim: int, length: int) -> nn.Sequential:
    """Return StyleGAN's mapping network, as in denoising diffusion GANs: a normalised latent through an MLP."""
    layers: list[nn.Module] = [nn.RMSNorm(latent_dim, elementwise_affine=False), nn.Linear(latent_dim, length)]
    for _ in range(2):
        layers += [nn.SiLU(), nn.Linear(length, length)]
    return nn.Sequential(*layers)
